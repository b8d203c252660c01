# Finds V8 10.2 as Debian's libnode: first the copy that scripts/setup unpacks below third_party/
# (machines whose Node comes from elsewhere refuse the package), then the installed libnode-dev.
# Defines the imported target Libnode::v8. Other V8 versions are refused: the prelude, the lowering
# and the embedding are written for 10.2 [S 03/6].

set(_libnode_root ${PROJECT_SOURCE_DIR}/third_party/libnode/usr)
find_path(Libnode_INCLUDE_DIR NAMES libplatform/libplatform.h v8.h
  PATHS ${_libnode_root}/include/node /usr/include/node NO_DEFAULT_PATH)
find_file(Libnode_LIBRARY NAMES libnode.so.108
  PATHS ${_libnode_root}/lib/${CMAKE_LIBRARY_ARCHITECTURE} ${_libnode_root}/lib/x86_64-linux-gnu
        /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE} /usr/lib/x86_64-linux-gnu NO_DEFAULT_PATH)

if(Libnode_INCLUDE_DIR AND EXISTS ${Libnode_INCLUDE_DIR}/v8-version.h)
  file(STRINGS ${Libnode_INCLUDE_DIR}/v8-version.h _libnode_lines
       REGEX "#define V8_(MAJOR|MINOR|BUILD)_VERSION|#define V8_BUILD_NUMBER")
  string(REGEX REPLACE ".*MAJOR_VERSION ([0-9]+).*MINOR_VERSION ([0-9]+).*NUMBER ([0-9]+).*"
         "\\1.\\2.\\3" Libnode_VERSION "${_libnode_lines}")
  if(NOT Libnode_VERSION MATCHES "^10\\.2\\.")
    message(STATUS "Libnode: V8 ${Libnode_VERSION} in ${Libnode_INCLUDE_DIR} is not 10.2")
    unset(Libnode_INCLUDE_DIR CACHE)
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Libnode
  REQUIRED_VARS Libnode_LIBRARY Libnode_INCLUDE_DIR VERSION_VAR Libnode_VERSION
  REASON_FAILURE_MESSAGE "V8 10.2 (libnode-dev of Debian 12) is missing: run scripts/setup")

if(Libnode_FOUND AND NOT TARGET Libnode::v8)
  add_library(Libnode::v8 SHARED IMPORTED)
  get_filename_component(_libnode_dir ${Libnode_LIBRARY} DIRECTORY)
  set_target_properties(Libnode::v8 PROPERTIES
    IMPORTED_LOCATION ${Libnode_LIBRARY}
    IMPORTED_SONAME libnode.so.108
    INTERFACE_INCLUDE_DIRECTORIES ${Libnode_INCLUDE_DIR}
    # Its own needs (libuv, c-ares, nghttp2, ICU) are resolved by the loader.
    INTERFACE_LINK_OPTIONS "-Wl,--allow-shlib-undefined;-Wl,-rpath,${_libnode_dir}")
endif()
mark_as_advanced(Libnode_INCLUDE_DIR Libnode_LIBRARY)
