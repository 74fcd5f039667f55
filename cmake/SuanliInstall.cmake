# SPDX-License-Identifier: Apache-2.0
# install(): library, headers, program, CMake package (find_package(Suanli) → suanli::suanli), pkg-config file.
include(CMakePackageConfigHelpers)

# A release is installed without its symbol tables; `cmake --install --strip` does the same for the other builds.
install(CODE "if(CMAKE_INSTALL_CONFIG_NAME STREQUAL \"Release\")\n  set(CMAKE_INSTALL_DO_STRIP ON)\nendif()")

# A oneDNN that came from the wheel is installed in a folder of ours below the library folder: in /usr/local/lib itself it would become the
# libdnnl.so.3 of every program on the machine.
set(private_libdir ${CMAKE_INSTALL_LIBDIR}/suanli)
set_target_properties(suanli PROPERTIES INSTALL_RPATH "$ORIGIN/suanli")
install(TARGETS suanli EXPORT SuanliTargets)
install(DIRECTORY include/suanli DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_BINARY_DIR}/include/suanli/pointwise.h ${PROJECT_BINARY_DIR}/include/suanli/reductions.h
  ${PROJECT_BINARY_DIR}/include/suanli/pointwise_methods.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/suanli)
if(SuanliDNNL_BUNDLED)
  file(REAL_PATH ${SuanliDNNL_BUNDLED} dnnl_file)
  install(PROGRAMS ${dnnl_file} DESTINATION ${private_libdir} RENAME libdnnl.so.3)
  foreach(text LICENSE THIRD-PARTY-PROGRAMS)
    install(FILES ${SuanliDNNL_ROOT}/share/doc/onednn/${text} DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/suanli/onednn OPTIONAL)
  endforeach()
endif()
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/suanli)

if(TARGET suanli_cli)
  file(RELATIVE_PATH to_libdir ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  set_target_properties(suanli_cli PROPERTIES INSTALL_RPATH "$ORIGIN/${to_libdir}")
  install(TARGETS suanli_cli)
  # The manual page and the shells' completion say what the program's own tables say.
  set(data_dir ${CMAKE_INSTALL_DATAROOTDIR})
  foreach(made "man|suanli.1|${CMAKE_INSTALL_MANDIR}/man1" "completion bash|suanli|${data_dir}/bash-completion/completions"
          "completion zsh|_suanli|${data_dir}/zsh/site-functions" "completion fish|suanli.fish|${data_dir}/fish/vendor_completions.d")
    string(REPLACE "|" ";" made "${made}")
    list(GET made 0 words)
    list(GET made 1 name)
    list(GET made 2 destination)
    separate_arguments(words)
    set(file ${PROJECT_BINARY_DIR}/generated/${destination}/${name})
    cmake_path(GET file PARENT_PATH folder)
    file(MAKE_DIRECTORY ${folder})
    add_custom_command(OUTPUT ${file} COMMAND ${CMAKE_COMMAND} -E env LC_ALL=C $<TARGET_FILE:suanli_cli> ${words} > ${file} DEPENDS suanli_cli VERBATIM)
    list(APPEND generated_files ${file})
    install(FILES ${file} DESTINATION ${destination})
  endforeach()
  add_custom_target(suanli_texts ALL DEPENDS ${generated_files})
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Suanli)
configure_package_config_file(cmake/SuanliConfig.cmake.in SuanliConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(SuanliConfigVersion.cmake COMPATIBILITY SameMinorVersion)   # while 0.x
install(EXPORT SuanliTargets NAMESPACE suanli:: DESTINATION ${package_dir})
install(FILES ${PROJECT_BINARY_DIR}/SuanliConfig.cmake ${PROJECT_BINARY_DIR}/SuanliConfigVersion.cmake DESTINATION ${package_dir})

file(RELATIVE_PATH pc_to_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX}/.)
string(REGEX REPLACE "/$" "" pc_to_prefix "${pc_to_prefix}")
configure_file(cmake/suanli.pc.in suanli.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/suanli.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
