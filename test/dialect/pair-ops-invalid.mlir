// RUN: attnc-opt %s -split-input-file -verify-diagnostics
// Readers of set operands take integers, and an index for each leading dim.

func.func @order_of_floats(%cu: tensor<?xf32>, %when: i1) {
  // expected-error@+1 {{reads a tensor of integers with one dim more than indices lead}}
  attn.check_order %cu[] when(%when) : tensor<?xf32>
  return
}

// -----

func.func @order_of_a_batch(%cu: tensor<4x?xi32>, %when: i1) {
  // expected-error@+1 {{with one dim more than indices lead, got 'tensor<4x?xi32>' and 0}}
  attn.check_order %cu[] when(%when) : tensor<4x?xi32>
  return
}

// -----

func.func @segment_of_a_batch(%cu: tensor<?xi32>, %x: index) {
  // expected-error@+1 {{with one dim more than indices lead, got 'tensor<?xi32>' and 1}}
  %d, %begin, %end = attn.segment %x of %cu[%x] : tensor<?xi32>
  return
}

// -----

func.func @list_of_floats(%list: tensor<?xf64>, %x: index) {
  // expected-error@+1 {{reads a tensor of integers}}
  %t = attn.listed %x of %list[] from(%x) to(%x) : tensor<?xf64>
  return
}
