// SPDX-License-Identifier: Apache-2.0
// Words of a shell, for commands that the user may paste.
#pragma once
#include <string>
#include <string_view>

#include "suanli/export.h"

namespace suanli {

/// `word` as bash, zsh and fish read it back: itself if it holds nothing that a shell obeys, else
/// in single quotes. A path that begins with a hyphen gets "./" in front. Control characters and
/// bytes that are no UTF-8 are written as $'\x1b' (bash and zsh), which a terminal shows as it is.
SUANLI_API std::string shell_quoted(std::string_view word);

}  // namespace suanli
