# SPDX-License-Identifier: Apache-2.0
# WebP::webp, the decoder, and WebP::webpdemux, which takes animations apart. Distributions ship them without a CMake package.
find_path(WebP_INCLUDE_DIR webp/decode.h)
find_library(WebP_LIBRARY webp)
find_library(WebPDemux_LIBRARY webpdemux)
mark_as_advanced(WebP_INCLUDE_DIR WebP_LIBRARY WebPDemux_LIBRARY)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(SuanliWebP REQUIRED_VARS WebP_LIBRARY WebPDemux_LIBRARY WebP_INCLUDE_DIR)
if(SuanliWebP_FOUND AND NOT TARGET WebP::webp)
  add_library(WebP::webp UNKNOWN IMPORTED)
  set_target_properties(WebP::webp PROPERTIES IMPORTED_LOCATION ${WebP_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${WebP_INCLUDE_DIR})
  add_library(WebP::webpdemux UNKNOWN IMPORTED)
  set_target_properties(WebP::webpdemux PROPERTIES IMPORTED_LOCATION ${WebPDemux_LIBRARY} INTERFACE_LINK_LIBRARIES WebP::webp)
endif()
