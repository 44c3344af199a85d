# Every target of the project is declared through these functions, so flags are set in one place.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_package(Threads REQUIRED)
find_package(Python3 3.11 REQUIRED COMPONENTS Interpreter)
find_package(PkgConfig REQUIRED)

find_program(FLEXAI_CCACHE ccache)
if(FLEXAI_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${FLEXAI_CCACHE})
endif()
find_program(FLEXAI_MOLD mold)

option(FLEXAI_ASAN "AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(FLEXAI_TSAN "ThreadSanitizer" OFF)
option(FLEXAI_FUZZ "libFuzzer programs instead of those that run the corpus (clang)" OFF)

add_library(flexai_flags INTERFACE)
target_compile_options(flexai_flags INTERFACE -Wall -Wextra -Wconversion -Werror -Wno-missing-field-initializers)
# g++ 12 warns of std::string's own copies at -O3 (GCC bug 105651).
target_compile_options(flexai_flags INTERFACE $<$<AND:$<CXX_COMPILER_ID:GNU>,$<CONFIG:Release>>:-Wno-restrict>)
target_compile_definitions(flexai_flags INTERFACE CL_TARGET_OPENCL_VERSION=300 CL_USE_DEPRECATED_OPENCL_1_0_APIS
  CL_USE_DEPRECATED_OPENCL_1_1_APIS CL_USE_DEPRECATED_OPENCL_1_2_APIS CL_USE_DEPRECATED_OPENCL_2_0_APIS
  CL_USE_DEPRECATED_OPENCL_2_1_APIS CL_USE_DEPRECATED_OPENCL_2_2_APIS CL_ENABLE_BETA_EXTENSIONS)
target_include_directories(flexai_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
target_link_libraries(flexai_flags INTERFACE Threads::Threads)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(flexai_flags INTERFACE -mcx16)  # 16-byte compare-and-swap, used by limit/ledger
endif()
if(FLEXAI_MOLD)
  target_link_options(flexai_flags INTERFACE -fuse-ld=mold)
endif()
if(FLEXAI_ASAN)
  target_compile_options(flexai_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  target_link_options(flexai_flags INTERFACE -fsanitize=address,undefined)
endif()
if(FLEXAI_TSAN)
  target_compile_options(flexai_flags INTERFACE -fsanitize=thread $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  target_link_options(flexai_flags INTERFACE -fsanitize=thread)
endif()

if(FLEXAI_FUZZ)
  target_compile_options(flexai_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# flexai_library(<folder> SOURCES a.cc ... DEPS base model ...): static library flexai_<folder>; DEPS that name
# a target are taken as they are, others get the prefix flexai_.
function(flexai_resolve out)
  set(result)
  foreach(dep ${ARGN})
    if(TARGET flexai_${dep})
      list(APPEND result flexai_${dep})
    else()
      list(APPEND result ${dep})
    endif()
  endforeach()
  set(${out} ${result} PARENT_SCOPE)
endfunction()

function(flexai_library name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS" ${ARGN})
  flexai_resolve(deps ${A_DEPS})
  add_library(flexai_${name} STATIC ${A_SOURCES})
  target_link_libraries(flexai_${name} PUBLIC flexai_flags ${deps})
endfunction()

# Target `programs` builds all of these and the shims: what runs, without the unit tests.
add_custom_target(programs)
function(flexai_program name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS" ${ARGN})
  flexai_resolve(deps ${A_DEPS})
  add_executable(${name} ${A_SOURCES})
  target_link_libraries(${name} PRIVATE flexai_flags ${deps})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  add_dependencies(programs ${name})
endfunction()

# flexai_test(<name> SOURCES x_test.cc DEPS limit [LABELS threads]): one GoogleTest program, one CTest entry.
# Targets: unit_tests builds all of them, tests_LABEL those with that label.
find_package(GTest REQUIRED)
function(flexai_test name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS;LABELS" ${ARGN})
  flexai_resolve(deps ${A_DEPS})
  add_executable(${name} ${A_SOURCES})
  target_link_libraries(${name} PRIVATE flexai_flags ${deps} GTest::gtest_main GTest::gmock)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  if(FLEXAI_ASAN AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # With sanitizers g++ 12 takes std::regex for uninitialized.
    target_compile_options(${name} PRIVATE -Wno-maybe-uninitialized)
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "unit;${A_LABELS}" TIMEOUT 300)
  foreach(group unit_tests ${A_LABELS})
    string(REGEX REPLACE "^([a-z]+)$" "tests_\\1" target ${group})
    if(NOT TARGET ${target})
      add_custom_target(${target})
    endif()
    add_dependencies(${target} ${name})
  endforeach()
endfunction()

# flexai_generated(<target> driver/opencl/table.cc ...): adds generated sources to a target, or none when it
# only includes generated headers.
function(flexai_generated target)
  foreach(source ${ARGN})
    target_sources(${target} PRIVATE ${CMAKE_BINARY_DIR}/generated/${source})
    set_source_files_properties(${CMAKE_BINARY_DIR}/generated/${source} PROPERTIES GENERATED ON)
  endforeach()
  add_dependencies(${target} flexai_generated)
endfunction()
