# SPDX-License-Identifier: Apache-2.0
# How Suanli's own targets are compiled. Everything is per target, so a project that takes us in with add_subdirectory keeps its own settings.
set(SUANLI_WARNINGS -Wall -Wextra -Wpedantic
  -Wno-missing-field-initializers)   # {.stride = 2} leaves the other options at their defaults on purpose
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  # GCC 12 and 13 see these in the inside of std::string where there is nothing (GCC bug 105651); the sanitizers watch instead.
  list(APPEND SUANLI_WARNINGS -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread)
endif()
if(SUANLI_WERROR)
  list(APPEND SUANLI_WARNINGS -Werror $<$<CXX_COMPILER_ID:GNU>:-Wno-error=maybe-uninitialized>)   # a guess of the optimizer's, often wrong
endif()

if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  message(WARNING "Suanli is built and tested with GCC. Another compiler may bring another OpenMP runtime than the libgomp that oneDNN uses; "
    "holding oneDNN to one thread per worker then does not work.")
endif()

find_program(SUANLI_CCACHE ccache)
find_program(SUANLI_MOLD mold)

set(SUANLI_SANITIZE_FLAGS "")
if(SUANLI_SANITIZE)
  set(SUANLI_SANITIZE_FLAGS -fsanitize=${SUANLI_SANITIZE} -fno-omit-frame-pointer)
  if(SUANLI_SANITIZE STREQUAL "undefined")
    list(APPEND SUANLI_SANITIZE_FLAGS -fno-sanitize-recover=all)   # a finding ends the test
  endif()
endif()

# Where the checkout lies must not show in __FILE__ or debug information. The second form is what ccache makes of the first.
file(RELATIVE_PATH SUANLI_RELATIVE_SOURCE ${CMAKE_BINARY_DIR} ${PROJECT_SOURCE_DIR})
string(REGEX REPLACE "/$" "" SUANLI_RELATIVE_SOURCE "${SUANLI_RELATIVE_SOURCE}")
set(SUANLI_PREFIX_MAP -ffile-prefix-map=${PROJECT_SOURCE_DIR}/= -ffile-prefix-map=${SUANLI_RELATIVE_SOURCE}/=)

function(suanli_compile_options target)
  set_target_properties(${target} PROPERTIES
    CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_compile_options(${target} PRIVATE
    ${SUANLI_WARNINGS}
    -ffp-contract=off     # whether a*b+c is fused must not depend on the compiler: kernels that want FMA say so
    -fno-math-errno       # changes no value; lets sqrt be one instruction
    ${SUANLI_PREFIX_MAP} ${SUANLI_SANITIZE_FLAGS})
  target_link_options(${target} PRIVATE ${SUANLI_SANITIZE_FLAGS})
  if(SUANLI_MOLD AND CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
    target_link_options(${target} PRIVATE -fuse-ld=mold)
  endif()
  if(SUANLI_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # base directory: a second checkout finds what the first one compiled. Sloppiness: without it files with a precompiled header are not cached.
    set_target_properties(${target} PROPERTIES CXX_COMPILER_LAUNCHER
      "${CMAKE_COMMAND};-E;env;CCACHE_BASEDIR=${PROJECT_SOURCE_DIR};CCACHE_NOHASHDIR=1;CCACHE_SLOPPINESS=pch_defines,time_macros;${SUANLI_CCACHE}")
  endif()
endfunction()

# A precompiled header of other people's headers takes a third off the time of a file that does little. None of ours is in it: a change
# would compile everything anew. The preset asan goes without, so that every file is seen to include what it uses.
# GCC's needs -fpch-preprocess to be cached by ccache.
function(suanli_precompile_headers target)   # the rest: PRIVATE and headers, or REUSE_FROM and a target
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
  target_precompile_headers(${target} ${ARGN})
endfunction()
