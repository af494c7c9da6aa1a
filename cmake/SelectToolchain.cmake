# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Chooses the compiler before project(): clang-22 where it is installed, unless
# the user named another one (-DCMAKE_CXX_COMPILER=… or CXX=…). Also tells
# find_package where the set-up script may have put LLVM and MLIR.

set(ATTNC_TOOLCHAIN_DIR "${CMAKE_CURRENT_LIST_DIR}/../.toolchain")
get_filename_component(ATTNC_TOOLCHAIN_DIR "${ATTNC_TOOLCHAIN_DIR}" ABSOLUTE)

if(NOT CMAKE_CXX_COMPILER AND NOT DEFINED ENV{CXX}
   AND NOT CMAKE_C_COMPILER AND NOT DEFINED ENV{CC})
  foreach(version 22 21 20 19)
    find_program(ATTNC_CLANGXX NAMES clang++-${version}
                 PATHS /usr/lib/llvm-${version}/bin NO_CACHE)
    find_program(ATTNC_CLANG NAMES clang-${version}
                 PATHS /usr/lib/llvm-${version}/bin NO_CACHE)
    if(ATTNC_CLANGXX AND ATTNC_CLANG)
      set(CMAKE_C_COMPILER "${ATTNC_CLANG}" CACHE FILEPATH "C compiler")
      set(CMAKE_CXX_COMPILER "${ATTNC_CLANGXX}" CACHE FILEPATH "C++ compiler")
      break()
    endif()
    unset(ATTNC_CLANGXX)
    unset(ATTNC_CLANG)
  endforeach()
endif()

# Debian's package is the usual one; scripts/setup.sh puts the PyPI wheels into
# .toolchain/llvm where apt has no LLVM 22. An explicit MLIR_DIR goes first.
if(NOT MLIR_DIR AND NOT DEFINED ENV{MLIR_DIR}
   AND EXISTS "${ATTNC_TOOLCHAIN_DIR}/llvm/mlir/lib/cmake/mlir/MLIRConfig.cmake")
  set(MLIR_DIR "${ATTNC_TOOLCHAIN_DIR}/llvm/mlir/lib/cmake/mlir"
      CACHE PATH "Directory of MLIRConfig.cmake")
  set(LLVM_DIR "${ATTNC_TOOLCHAIN_DIR}/llvm/llvm/lib/cmake/llvm"
      CACHE PATH "Directory of LLVMConfig.cmake")
endif()
set(ATTNC_MLIR_HINTS "/usr/lib/llvm-22/lib/cmake/mlir")
