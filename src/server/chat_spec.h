// A chat request in one form, whichever API it came by, and what the engine is given for it.
//
//   ApiResult<ChatSpec> spec = ParseOpenAiChat(body);
//   ApiResult<PreparedChat> prepared = PrepareChat(*spec, host, caller);   // reads files, renders
//   host.Start(prepared->generation, sink);
#ifndef AHA_SERVER_CHAT_SPEC_H_
#define AHA_SERVER_CHAT_SPEC_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "server/api_error.h"
#include "server/model_host.h"

namespace aha {

// Who asks: requests of one owner share a fair part, and cached prompts only with each other.
struct Caller {
  std::string owner;    // of the key; "" without one
  std::string user_id;  // the client's own user, if it names one
  uint64_t OwnerHash() const;
};

struct SamplingChoice {
  std::optional<float> temperature, top_p, min_p, repetition_penalty, presence_penalty,
      frequency_penalty;
  std::optional<int32_t> top_k;
  std::optional<uint64_t> seed;
  std::vector<std::pair<int32_t, float>> logit_bias;

  // Unset ones are the model's own wishes, then R1's.
  SamplingParams Resolve(const GenerationDefaults& defaults) const;
};

class RequestFields;
// OpenAI's names, and those of local servers.
void ReadSampling(RequestFields& f, SamplingChoice* out);
// Ids of logit_bias that the model does not have.
std::optional<ApiError> CheckLogitBias(const SamplingParams& sampling, const ServedModel& model);
// 404 for a model that is unknown, 503 for one that does not fit now.
ApiError ModelError(const Status& status);

struct ChatSpec {
  std::string model;
  Json messages = Json::array();  // OpenAI's: role, content (text), reasoning_content, tool_calls
  Json tools = nullptr;           // OpenAI's function tools, or null
  std::string tool_choice = "auto";  // "auto", "none", "required", or the name of a function
  bool named_tool = false;           // tool_choice is a name
  bool parallel_tool_calls = true;
  Json template_extra = Json::object();  // chat_template_kwargs
  std::optional<bool> thinking;          // unset: as the model likes
  int64_t think_budget = -1;
  SamplingChoice sampling;
  int32_t n = 1;
  int64_t max_tokens = -1;  // thought included; -1: what the context leaves
  std::vector<std::string> stop;
  bool logprobs = false;
  int32_t top_logprobs = 0;
  enum class Format { kText, kJsonObject, kJsonSchema, kGrammar };
  Format format = Format::kText;
  Json schema = nullptr;
  std::string grammar;
  bool prefix = false;          // the last message is the beginning of the answer
  bool thought_closed = false;  // of a prefix with a thought: the thought is whole
  bool vote = false;            // n samples, of which the answer most agree on is the answer
  bool verify_math = false;     // of a vote: answers that are equal numbers are one
  bool receipt = false;
  std::string user_id;
};

// How tool calls are read out of an answer.
struct ToolSetup {
  ToolCallFormat format;
  std::vector<std::string> names;
  bool parallel = true;  // false: the first call is the only one
};

struct PreparedChat {
  GenerationSpec generation;
  std::optional<ToolSetup> tools = {};
  Json receipt = nullptr;  // of receipt.h, without the samples; null when none is asked for
};

// On a thread that may wait: opens the model, renders and encodes. Errors name the field.
ApiResult<PreparedChat> PrepareChat(const ChatSpec& spec, ModelHost& host, const Caller& caller);

// How many tokens its prompt has, whether the context holds them or not. On such a thread, too.
ApiResult<size_t> CountPromptTokens(const ChatSpec& spec, ModelHost& host);

}  // namespace aha

#endif  // AHA_SERVER_CHAT_SPEC_H_
