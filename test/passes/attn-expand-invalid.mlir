// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: attnc-opt %s -attn-expand -split-input-file -verify-diagnostics
// attn-expand refuses nothing itself: what is wrong is found before it runs.

func.func @clamped_is_a_flag_of_window(%q: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // expected-error @+1 {{'local' has no parameter 'clamped'}}
  %o = attn.attention %q, %q, %q mask = #attn.pairs<local<3, clamped>> : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32>
  return %o : tensor<?x64xf32>
}

// -----

func.func @scale_must_be_finite(%q: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // expected-error @+1 {{(C19) scale must be finite}}
  %o = attn.attention %q, %q, %q scale = 0x7FF0000000000000 : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32>
  return %o : tensor<?x64xf32>
}
