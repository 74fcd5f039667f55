// SPDX-License-Identifier: Apache-2.0
// All of Suanli.
#pragma once
#include "suanli/autograd.h"
#include "suanli/base.h"
#include "suanli/dataset.h"
#include "suanli/evaluate.h"
#include "suanli/image.h"
#include "suanli/io.h"
#include "suanli/loader.h"
#include "suanli/models.h"
#include "suanli/nn.h"
#include "suanli/ops.h"
#include "suanli/optim.h"
#include "suanli/plan.h"
#include "suanli/runtime.h"
#include "suanli/session.h"
#include "suanli/tensor.h"
#include "suanli/train.h"
