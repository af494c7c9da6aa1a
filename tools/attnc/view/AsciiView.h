// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The picture of `attnc explain --view` in a terminal.

#ifndef ATTNC_TOOLS_ATTNC_VIEW_ASCIIVIEW_H
#define ATTNC_TOOLS_ATTNC_VIEW_ASCIIVIEW_H

#include "tools/attnc/view/View.h"

namespace attnc {

/// Prints each attention's pairs, a character a pair where they fit and a block
/// of pairs otherwise, and a legend. Returns an exit code; errors have been
/// printed.
int printAsciiView(View &view, llvm::raw_ostream &os);

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_VIEW_ASCIIVIEW_H
