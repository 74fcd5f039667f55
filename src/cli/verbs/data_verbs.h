// SPDX-License-Identifier: Apache-2.0
// The verbs behind `suanli data`, one file each.
#pragma once
#include "cli/framework/options.h"

namespace suanli::cli {

int run_data_show(const Arguments& args);
int run_data_get(const Arguments& args);
/// "mnist fashion-mnist …": what suanli data get knows, for completion.
std::string published_sets();
int run_data_pack(const Arguments& args);

}  // namespace suanli::cli
