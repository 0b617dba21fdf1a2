// TOML text to Json: recipes are read through one kind of tree, whatever wrote it.
#ifndef AHA_TRAIN_TOML_H_
#define AHA_TRAIN_TOML_H_

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"

namespace aha {

// Errors name `where`, the line and column. Dates and times are refused (no recipe key is one).
Result<Json> ParseToml(std::string_view text, const std::string& where);

// "a.b.c=VALUE" put into `tree`, tables made as needed. VALUE is TOML; what is not TOML is a plain
// string (`--set task.name=parity`).
Status SetFromText(std::string_view assignment, Json* tree);

}  // namespace aha

#endif  // AHA_TRAIN_TOML_H_
