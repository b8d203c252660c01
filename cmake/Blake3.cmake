# BLAKE3 from its C sources (Debian has no C package; scripts/setup unpacks librust-blake3-dev).
set(_blake3 ${PROJECT_SOURCE_DIR}/third_party/blake3/c)
if(NOT EXISTS ${_blake3}/blake3.h)
  message(FATAL_ERROR "third_party/blake3/c is missing: run scripts/setup")
endif()
if(NOT TARGET worldline_blake3)
  add_library(worldline_blake3 STATIC ${_blake3}/blake3.c ${_blake3}/blake3_dispatch.c
                                      ${_blake3}/blake3_portable.c)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64")
    target_sources(worldline_blake3 PRIVATE
      ${_blake3}/blake3_sse2_x86-64_unix.S ${_blake3}/blake3_sse41_x86-64_unix.S
      ${_blake3}/blake3_avx2_x86-64_unix.S ${_blake3}/blake3_avx512_x86-64_unix.S)
  else()
    target_compile_definitions(worldline_blake3 PRIVATE BLAKE3_USE_NEON=0)
  endif()
  target_include_directories(worldline_blake3 SYSTEM PUBLIC ${_blake3})
endif()
