// SPDX-License-Identifier: Apache-2.0
#pragma once
/// SUANLI_API marks the exports of libsuanli. Everything else is compiled with hidden visibility.
/// Put it on free functions and classes that a program outside the library names, and on every
/// exception that it may catch. Put it on nothing else.
#define SUANLI_API __attribute__((visibility("default")))
