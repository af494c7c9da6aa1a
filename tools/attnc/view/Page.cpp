// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The template, filled in.

#include "tools/attnc/view/Page.h"
#include "tools/attnc/view/PlanScript.h"
#include "tools/attnc/view/Resources.h"
#include "llvm/ADT/StringExtras.h"

using namespace attnc;
using namespace mlir;

/// Replaces every {{name}} of the template.
static std::string fillIn(StringRef text,
                          ArrayRef<std::pair<StringRef, StringRef>> fields) {
  std::string page;
  while (!text.empty()) {
    size_t open = text.find("{{");
    page += text.take_front(open);
    if (open == StringRef::npos)
      break;
    text = text.drop_front(open + 2);
    size_t close = text.find("}}");
    StringRef name = text.take_front(close);
    for (auto [field, value] : fields)
      if (field == name)
        page += value;
    text = text.drop_front(close + 2);
  }
  return page;
}

FailureOr<std::string> attnc::makePage(View &view) {
  int64_t budget = kPageDataLimit;
  std::string data = "const attentions = [\n  ";
  for (ViewedAttention &attention : view.getAttentions()) {
    FailureOr<std::string> script = planScript(attention, budget);
    if (failed(script))
      return failure();
    data += *script + ",\n  ";
  }
  data += "];\nif (typeof document !== 'undefined')\n"
          "  globalThis.page = new Page(attentions);\n";
  std::string title;
  llvm::raw_string_ostream os(title);
  llvm::printHTMLEscaped(view.getName(), os);
  std::string script = resources::setsJs;
  for (const char *part :
       {resources::planJs, resources::drawJs, resources::pageJs})
    script += part;
  return fillIn(resources::viewHtml, {{"title", title},
                                      {"style", resources::viewCss},
                                      {"script", script},
                                      {"data", data}});
}
