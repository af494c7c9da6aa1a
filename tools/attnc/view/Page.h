// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The page of `attnc explain --view=FILE.html`.

#ifndef ATTNC_TOOLS_ATTNC_VIEW_PAGE_H
#define ATTNC_TOOLS_ATTNC_VIEW_PAGE_H

#include "tools/attnc/view/View.h"

namespace attnc {

/// One self-contained HTML file; its size does not depend on n and m but for
/// the operands that pair sets read. An error has been printed.
mlir::FailureOr<std::string> makePage(View &view);

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_VIEW_PAGE_H
