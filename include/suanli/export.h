// SPDX-License-Identifier: Apache-2.0
#pragma once
/// SUANLI_API marks what libsuanli exports: everything else is compiled with hidden visibility. Put
/// it on free functions and on classes that a program outside of the library names, on every
/// exception it may catch, and on nothing else.
#define SUANLI_API __attribute__((visibility("default")))
