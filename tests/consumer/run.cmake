# SPDX-License-Identifier: Apache-2.0
# cmake -D BUILD=<build folder of Suanli> -D SOURCE=<checkout> -D CONFIG= -D CXX= -D GENERATOR= -D LIBDIR= -P run.cmake
cmake_minimum_required(VERSION 3.25)
set(work ${BUILD}/consumer)
file(REMOVE_RECURSE ${work})

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# Moved after installing: nothing installed may remember where it was built or installed.
run(${CMAKE_COMMAND} --install ${BUILD} --config ${CONFIG} --prefix ${work}/staging)
file(RENAME ${work}/staging ${work}/prefix)

# Every row of a table of ops is declared, with the comment above it.
function(check_header table least)
  # Not lines of a list: an unbalanced bracket in a doc would join elements.
  file(READ ${SOURCE}/src/ops/schema/${table}.def text)
  string(REGEX MATCHALL "\n(UNARY|BINARY|TERNARY|REDUCTION)[12]?\\(" rows "${text}")
  file(STRINGS ${work}/prefix/include/suanli/${table}.h declared REGEX "^SUANLI_API Tensor [a-z_0-9]+\\(.*\\);$")
  file(STRINGS ${work}/prefix/include/suanli/${table}.h docs ENCODING UTF-8 REGEX "^/// .")
  list(LENGTH rows rows)
  list(LENGTH declared declared)
  list(LENGTH docs docs)
  if(NOT rows GREATER ${least} OR NOT declared EQUAL rows OR NOT docs EQUAL rows)
    message(FATAL_ERROR "${rows} rows of ${table}.def, ${declared} declarations and ${docs} comments in ${table}.h")
  endif()
endfunction()
check_header(pointwise 80)
check_header(reductions 5)

run(${CMAKE_COMMAND} -S ${SOURCE}/tests/consumer -B ${work}/build -G ${GENERATOR} -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER=${CXX}
  -D CMAKE_PREFIX_PATH=${work}/prefix -D EXAMPLES=${SOURCE}/examples -D README=${SOURCE}/README.md)
run(${CMAKE_COMMAND} --build ${work}/build)
run(${CMAKE_CTEST_COMMAND} --test-dir ${work}/build --output-on-failure)

if(EXISTS ${work}/prefix/bin/suanli)
  run(${work}/prefix/bin/suanli --version)
endif()

find_program(PKG_CONFIG pkg-config)
if(PKG_CONFIG AND EXISTS ${SOURCE}/examples/minimal.cpp)
  set(ENV{PKG_CONFIG_PATH} ${work}/prefix/${LIBDIR}/pkgconfig)
  execute_process(COMMAND ${PKG_CONFIG} --cflags --libs suanli OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  run(${CXX} -o ${work}/minimal_pc ${SOURCE}/examples/minimal.cpp ${flags} -Wl,-rpath,${work}/prefix/${LIBDIR})
  run(${work}/minimal_pc)
endif()
