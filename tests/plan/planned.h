// SPDX-License-Identifier: Apache-2.0
// The helpers that tests of plans include.
#pragma once
#include "support/pending_plan.h"
#include "support/tier.h"
#include "tensor/programs.h"
