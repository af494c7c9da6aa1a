// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: attnc-opt %s -attn-simplify-pairs -split-input-file -verify-diagnostics
// Sets that would vanish are verified before they do.

!t = tensor<?x8xf32>
func.func @empty_does_not_hide_a_bad_operand(%q: !t, %m: tensor<?xf32>) -> !t {
  // expected-error @+1 {{(C15) 'keys' needs a tensor of i1}}
  %o = attn.attention %q, %q, %q mask = #attn.pairs<empty & keys(%m)> : !t, !t, !t, tensor<?xf32> -> !t
  return %o : !t
}

// -----

!t = tensor<?x8xf32>
func.func @full_does_not_hide_a_bad_parameter(%q: !t) -> !t {
  // expected-error @+1 {{(C14) parameter 'left' of 'window' must be at least 0, got -1}}
  %o = attn.attention %q, %q, %q mask = #attn.pairs<full | window<-1, 0>> : !t, !t, !t -> !t
  return %o : !t
}
