# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Build helpers shared by all rooms: compiler warnings, sanitizers, the linker,
# and the functions that declare MLIR-side libraries and tools.

include(CheckLinkerFlag)
include(CheckCXXCompilerFlag)

# ---- warnings ---------------------------------------------------------------
set(ATTNC_WARNINGS
    -Wall -Wextra -Wimplicit-fallthrough -Wwrite-strings -Wno-unused-parameter)
set(ATTNC_CXX_WARNINGS -Wnon-virtual-dtor -Wdelete-non-virtual-dtor)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  list(APPEND ATTNC_WARNINGS -Wcovered-switch-default -Wstring-conversion
       -Wmisleading-indentation -Wunreachable-code-loop-increment)
  list(APPEND ATTNC_CXX_WARNINGS -Wsuggest-override -Wctad-maybe-unsupported)
else()
  # g++ reports false positives in LLVM's small containers with these.
  list(APPEND ATTNC_CXX_WARNINGS -Wno-maybe-uninitialized
       -Wno-dangling-reference -Wno-class-memaccess -Wno-redundant-move)
endif()
if(ATTNC_WERROR)
  list(APPEND ATTNC_WARNINGS -Werror)
endif()
add_compile_options(${ATTNC_WARNINGS}
                    "$<$<COMPILE_LANGUAGE:CXX>:${ATTNC_CXX_WARNINGS}>")

# ---- linker -----------------------------------------------------------------
check_linker_flag(CXX "-fuse-ld=lld" ATTNC_HAVE_LLD)
if(ATTNC_HAVE_LLD)
  add_link_options(-fuse-ld=lld)
endif()

# ---- sanitizers -------------------------------------------------------------
if(ATTNC_SANITIZE)
  if(NOT ATTNC_SANITIZE MATCHES "^(address|thread)$")
    message(FATAL_ERROR
            "ATTNC_SANITIZE is '${ATTNC_SANITIZE}': use 'address', 'thread' or "
            "leave it empty")
  endif()
  if(ATTNC_SANITIZE STREQUAL "address")
    set(ATTNC_SANITIZE_FLAGS -fsanitize=address,undefined
        -fno-sanitize-recover=undefined
        # libMLIR is built without type information for these two checks.
        -fno-sanitize=vptr,function)
  else()
    set(ATTNC_SANITIZE_FLAGS -fsanitize=thread)
  endif()
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    list(REMOVE_ITEM ATTNC_SANITIZE_FLAGS -fno-sanitize=vptr,function)
  endif()
  add_compile_options(${ATTNC_SANITIZE_FLAGS} -fno-omit-frame-pointer)
  add_link_options(${ATTNC_SANITIZE_FLAGS})
endif()

# Sanitizer defaults of a program (see AsanDefaults.cpp).
function(_attnc_sanitizer_defaults target)
  if(ATTNC_SANITIZE STREQUAL "address")
    target_sources(${target} PRIVATE "${PROJECT_SOURCE_DIR}/cmake/AsanDefaults.cpp")
  endif()
endfunction()

# ---- declaring targets ------------------------------------------------------

# What every target that uses MLIR has in common.
function(_attnc_mlir_target target)
  target_include_directories(
    ${target} PUBLIC "${PROJECT_SOURCE_DIR}" "${PROJECT_BINARY_DIR}"
                     "${PROJECT_SOURCE_DIR}/runtime/include")
  target_include_directories(${target} SYSTEM PUBLIC ${MLIR_INCLUDE_DIRS}
                                                     ${LLVM_INCLUDE_DIRS})
  target_compile_definitions(${target} PRIVATE ${ATTNC_LLVM_DEFINITIONS})
  target_compile_options(
    ${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions>)
  if(NOT LLVM_ENABLE_RTTI)
    target_compile_options(${target}
                           PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-rtti>)
  endif()
endfunction()

# Links MLIR's and LLVM's libraries. The shared build replaces the whole list by
# libMLIR and libLLVM; naming the static archives there too would put two copies
# of MLIR into one process.
function(_attnc_link_mlir target scope)
  mlir_target_link_libraries(${target} ${scope} ${ARGN})
  if(MLIR_LINK_MLIR_DYLIB)
    target_link_libraries(${target} ${scope} LLVM)
  endif()
endfunction()

# attnc_add_library(NAME source…
#   [LINK_LIBS target…]   libraries of this project (and plain system ones)
#   [MLIR_LIBS MLIR…]     MLIR's own, used one by one when linking statically
#   [LLVM_LIBS component…] LLVM components, used likewise
#   [DEPENDS target…])    TableGen targets to be generated first
#
# A static library on MLIR's side of the project, put into build/lib.
function(attnc_add_library name)
  cmake_parse_arguments(ARG "" "" "LINK_LIBS;MLIR_LIBS;LLVM_LIBS;DEPENDS"
                        ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  _attnc_mlir_target(${name})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  foreach(lib IN LISTS ARG_LINK_LIBS)
    target_link_libraries(${name} PUBLIC ${lib})
  endforeach()
  set(mlir_libs ${ARG_MLIR_LIBS})
  if(NOT MLIR_LINK_MLIR_DYLIB AND ARG_LLVM_LIBS)
    llvm_map_components_to_libnames(llvm_libs ${ARG_LLVM_LIBS})
    list(APPEND mlir_libs ${llvm_libs})
  endif()
  _attnc_link_mlir(${name} PUBLIC ${mlir_libs})
endfunction()

# attnc_add_tool(NAME source… [LINK_LIBS …] [MLIR_LIBS …] [LLVM_LIBS …])
#
# A program in build/bin that links MLIR; same arguments as above.
function(attnc_add_tool name)
  cmake_parse_arguments(ARG "" "" "LINK_LIBS;MLIR_LIBS;LLVM_LIBS;DEPENDS"
                        ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  _attnc_sanitizer_defaults(${name})
  _attnc_mlir_target(${name})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  target_link_libraries(${name} PRIVATE ${ARG_LINK_LIBS})
  set(mlir_libs ${ARG_MLIR_LIBS})
  if(NOT MLIR_LINK_MLIR_DYLIB AND ARG_LLVM_LIBS)
    llvm_map_components_to_libnames(llvm_libs ${ARG_LLVM_LIBS})
    list(APPEND mlir_libs ${llvm_libs})
  endif()
  _attnc_link_mlir(${name} PRIVATE ${mlir_libs})
endfunction()

# attnc_add_unit_test(NAME source… LINK_LIBS target…)
#
# A GoogleTest program in build/bin; `make test` runs every attnc-*-tests there.
function(attnc_add_unit_test name)
  cmake_parse_arguments(ARG "" "" "LINK_LIBS" ${ARGN})
  if(NOT name MATCHES "^attnc-.+-tests$")
    message(FATAL_ERROR "unit test '${name}' must be called attnc-<what>-tests, "
                        "or `make test` does not find it")
  endif()
  find_package(GTest REQUIRED)
  find_package(Threads REQUIRED)
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  _attnc_sanitizer_defaults(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LINK_LIBS} GTest::gtest_main
                                        Threads::Threads)
endfunction()
