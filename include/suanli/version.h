// SPDX-License-Identifier: Apache-2.0
#pragma once
/// The version of these headers. CMake reads it from here. Change it only here.
#define SUANLI_VERSION_MAJOR 0
#define SUANLI_VERSION_MINOR 1
#define SUANLI_VERSION_PATCH 0
#define SUANLI_VERSION "0.1.0"
