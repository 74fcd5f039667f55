// SPDX-License-Identifier: Apache-2.0
// Modules, their losses and initializers.
#pragma once
#include "suanli/nn/activations.h"
#include "suanli/nn/containers.h"
#include "suanli/nn/conv.h"
#include "suanli/nn/init.h"
#include "suanli/nn/layers.h"
#include "suanli/nn/losses.h"
#include "suanli/nn/module.h"
#include "suanli/nn/rnn.h"
