// A model that the server has open: its text side, its engine, and what the APIs ask about it.
#ifndef AHA_SERVER_SERVED_MODEL_H_
#define AHA_SERVER_SERVED_MODEL_H_

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "chat/thinking.h"
#include "chat/tool_call_format.h"
#include "engine/engine.h"
#include "library/library.h"
#include "ops/context.h"
#include "server/model_grammars.h"

namespace aha {

struct ServedModel {
  std::string id;
  std::filesystem::path path;
  int64_t memory_bytes = 0;  // weights and a full cache
  DType cache_dtype = DType::kF32;
  std::unique_ptr<TextModel> text;
  std::unique_ptr<ModelGrammars> grammars;
  // Engine's thread only.
  std::unique_ptr<ops::Context> cx;
  std::unique_ptr<Engine> engine;
  ThinkingControl thinking;
  ToolCallFormat tools;
  // Ids that end a thought early, with a sentence before the tag where the model can write one.
  std::vector<int32_t> close_thought;

  // Of what it was opened from; read once, when first asked for. On a thread that may wait.
  Result<std::string> Sha256() const;
  mutable Mutex sha256_mutex;
  mutable std::string sha256 AHA_GUARDED_BY(sha256_mutex);

  int64_t max_context() const { return engine->max_context(); }
};

}  // namespace aha

#endif  // AHA_SERVER_SERVED_MODEL_H_
