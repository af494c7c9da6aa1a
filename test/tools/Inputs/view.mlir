// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Pair sets for explain --view, a function each.

!t = tensor<?x64xf32>
!h = tensor<2x4x?x64xf32>

func.func @window(%q: !t, %k: !t, %v: !t) -> !t {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal & window<5, 0> | first<2>> : !t, !t, !t -> !t
  return %o : !t
}

func.func @lattice(%q: !t, %k: !t, %v: !t) -> !t {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal & (local<4> | strided<6>)>
      plan = #attn.plan<components = [
        #attn.component<lower = (d0)[s0, s1, s2, s3] -> (d0 - 4, s0), upper = (d0)[s0, s1, s2, s3] -> (d0, s1 - 1), row_lower = ()[s0, s1, s2, s3] -> (s2), row_upper = ()[s0, s1, s2, s3] -> (s3 - 1)>,
        #attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0 - 5, s1 - 1), row_lower = ()[s0, s1, s2, s3] -> (s2), row_upper = ()[s0, s1, s2, s3] -> (s3 - 1), tests = [1], walk = 1>
      ], atoms = [#attn.pairs<strided<6>>]> : !t, !t, !t -> !t
  return %o : !t
}

func.func @documents(%q: !t, %k: !t, %v: !t, %cu: tensor<4xi32>) -> !t {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<per_document(%cu) {causal}>
      plan = #attn.plan<components = [
        #attn.component<lower = (d0)[s0, s1, s2, s3, s4, s5] -> (s4, s0), upper = (d0)[s0, s1, s2, s3, s4, s5] -> (d0, s5 - 1, s1 - 1), row_lower = ()[s0, s1, s2, s3, s4, s5] -> (s2), row_upper = ()[s0, s1, s2, s3, s4, s5] -> (s3 - 1)>
      ], values = [#attn.value<kind = begin, map = (d0)[s0, s1, s2, s3] -> (d0), operand = 0>,
                   #attn.value<kind = end, map = (d0)[s0, s1, s2, s3] -> (d0), operand = 0>]>
      : !t, !t, !t, tensor<4xi32> -> !t
  return %o : !t
}

func.func @keys(%q: !h, %k: !h, %v: !h, %len: tensor<2xi32>, %mask: tensor<2x1x?xi1>) -> !h {
  %o = attn.attention %q, %k, %v lengths(%len) mask = #attn.pairs<causal & keys(%mask) | first<1>>
      : !h, !h, !h, tensor<2xi32>, tensor<2x1x?xi1> -> !h
  return %o : !h
}

// "</script>" in a name must not end the script.
func.func @"two</script><b>"(%q: !t, %k: !t, %v: !t) -> (!t, !t) {
  %a = attn.attention %q, %k, %v mask = #attn.pairs<causal> : !t, !t, !t -> !t
  %b = attn.attention %q, %k, %v mask = #attn.pairs<local<1>> : !t, !t, !t -> !t
  return %a, %b : !t, !t
}

func.func @region(%q: !t, %k: !t, %v: !t, %t: tensor<?xf32>) -> !t {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<predicate<0> & predicate<1>>
    predicate captures(%t : tensor<?xf32>) {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %x = tensor.extract %t[%i] : tensor<?xf32>
      %c = arith.constant 5.000000e-01 : f32
      %y = arith.cmpf ogt, %x, %c : f32
      attn.yield %y : i1
    }
    predicate captures(%t : tensor<?xf32>) {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %x = tensor.extract %t[%j] : tensor<?xf32>
      %e = math.erf %x : f32
      %c = arith.constant 1.000000e-01 : f32
      %y = arith.cmpf ogt, %e, %c : f32
      attn.yield %y : i1
    } : !t, !t, !t -> !t
  return %o : !t
}

func.func @later(%q: !t) -> !t {
  return %q : !t
}
