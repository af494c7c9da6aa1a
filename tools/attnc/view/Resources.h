// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The files of a page, which the build embeds (cmake/EmbedFiles.cmake).

#ifndef ATTNC_TOOLS_ATTNC_VIEW_RESOURCES_H
#define ATTNC_TOOLS_ATTNC_VIEW_RESOURCES_H

namespace attnc::resources {
extern const char *const setsJs;
extern const char *const planJs;
extern const char *const drawJs;
extern const char *const pageJs;
extern const char *const viewCss;
extern const char *const viewHtml;
} // namespace attnc::resources

#endif // ATTNC_TOOLS_ATTNC_VIEW_RESOURCES_H
