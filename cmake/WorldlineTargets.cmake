# The four kinds of target. Each lists its sources, headers and direct dependencies; nothing arrives
# by luck. Third-party packages are found in the room that uses them.

add_library(worldline_warnings INTERFACE)
target_compile_options(worldline_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                                                    -Werror)

# GCC reasons about instrumented code as if the instrumentation were ours; the builds without
# sanitizers keep this warning.
if(WORLDLINE_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(worldline_warnings INTERFACE -Wno-maybe-uninitialized)
endif()

# Warns that a type of a .cc file is used outside it, which GCC cannot tell once it is included.
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(worldline_warnings INTERFACE -Wno-subobject-linkage)
endif()

# Tests and benchmarks inline whole containers into one function, where GCC's analysis of copies
# inside the standard library gives false alarms; product code keeps this warning.
set(WORLDLINE_TEST_OPTIONS $<$<CXX_COMPILER_ID:GNU>:-Wno-stringop-overflow>)

function(_wl_common target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
  target_link_libraries(${target} PRIVATE worldline_warnings)
endfunction()

# wl_alone(source...): compiled by itself also where sources are compiled twenty at a time (the
# presets with CMAKE_UNITY_BUILD), because it gives a file-local name a meaning of its own.
function(wl_alone)
  set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

# wl_library(name SOURCES HEADERS DEPS PRIVATE_DEPS PCH), each a list: alias worldline::name.
function(wl_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;HEADERS;DEPS;PRIVATE_DEPS;PCH" ${ARGN})
  add_library(wl_${name} STATIC ${ARG_SOURCES})
  add_library(worldline::${name} ALIAS wl_${name})
  _wl_common(wl_${name})
  target_sources(wl_${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}
                                   FILES ${ARG_HEADERS})
  target_link_libraries(wl_${name} PUBLIC ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS})
  if(ARG_PCH AND WORLDLINE_PCH)
    target_precompile_headers(wl_${name} PRIVATE ${ARG_PCH})
  endif()
endfunction()

# wl_test(name ROOM room TIMEOUT seconds [SHARDS n] [OPTIMISED] SOURCES ... DEPS ...): GoogleTest;
# run with ctest -L room. One program per room as a rule: each costs the headers once more, and the
# whole system linked into it. SHARDS runs it as so many tests, name.0 and on, each with its part of
# the cases. What is tested is compiled as the preset says; the test itself is optimised only where
# it works for many seconds, as compilers spend half their time on that.
function(wl_test name)
  cmake_parse_arguments(ARG "OPTIMISED" "ROOM;TIMEOUT;SHARDS" "SOURCES;DEPS" ${ARGN})
  if(NOT WORLDLINE_TESTS)
    return()
  endif()
  add_executable(${name} ${ARG_SOURCES})
  _wl_common(${name})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gtest_main)
  list(LENGTH ARG_SOURCES source_count)
  # Below, or with twenty sources at a time, it costs more than it saves.
  if(WORLDLINE_PCH AND NOT CMAKE_UNITY_BUILD AND source_count GREATER 5)
    target_precompile_headers(${name} PRIVATE <gtest/gtest.h>)
  endif()
  target_compile_options(${name} PRIVATE ${WORLDLINE_TEST_OPTIONS})
  if(NOT ARG_OPTIMISED)
    target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O0>)
  endif()
  target_compile_definitions(${name} PRIVATE WL_TEST_DATA="${PROJECT_SOURCE_DIR}/tests")
  if(WORLDLINE_SANITIZE)
    target_compile_definitions(${name} PRIVATE WL_SANITIZED)
    math(EXPR ARG_TIMEOUT "${ARG_TIMEOUT} * 5")  # Instrumented and not optimised.
  endif()
  if(NOT ARG_SHARDS)
    add_test(NAME ${name} COMMAND ${name} --gtest_brief=1)
    set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS ${ARG_ROOM})
    return()
  endif()
  math(EXPR last "${ARG_SHARDS} - 1")
  foreach(shard RANGE ${last})
    add_test(NAME ${name}.${shard} COMMAND ${name} --gtest_brief=1)
    set_tests_properties(${name}.${shard} PROPERTIES
      TIMEOUT ${ARG_TIMEOUT} LABELS ${ARG_ROOM}
      ENVIRONMENT "GTEST_TOTAL_SHARDS=${ARG_SHARDS};GTEST_SHARD_INDEX=${shard}")
  endforeach()
endfunction()

# wl_bench(name SOURCES ... DEPS ...): Google Benchmark; built, never run as a test.
function(wl_bench name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  if(NOT WORLDLINE_BENCH)
    return()
  endif()
  add_executable(${name} ${ARG_SOURCES})
  _wl_common(${name})
  target_compile_options(${name} PRIVATE ${WORLDLINE_TEST_OPTIONS})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} benchmark::benchmark_main)
endfunction()

# wl_fuzz(name SOURCES ... DEPS ...): libFuzzer target; only with clang and WORLDLINE_FUZZ. Branches
# are counted in the dependencies it names, and only there: they guide the fuzzer, and cost each
# file a fifth of its compiler's time.
function(wl_fuzz name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  if(NOT WORLDLINE_FUZZ)
    return()
  endif()
  add_executable(${name} ${ARG_SOURCES})
  _wl_common(${name})
  foreach(dependency IN LISTS ARG_DEPS)
    get_target_property(aliased ${dependency} ALIASED_TARGET)
    if(aliased)
      target_compile_options(${aliased} PRIVATE -fsanitize=fuzzer-no-link)
    endif()
  endforeach()
  target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
  set_property(GLOBAL APPEND PROPERTY WORLDLINE_FUZZ_TARGETS ${name})
endfunction()
