#include "train/documents.h"

#include "base/files.h"
#include "base/section.h"
#include "envs/environment.h"

namespace aha {
namespace {

constexpr uint64_t kLargestFile = uint64_t{1} << 34;

TrainingText::Segment Whole(std::string text, float weight, bool prompt) {
  return {.pieces = {{std::move(text), true, true}}, .weight = weight, .prompt = prompt};
}

struct LineReader {
  const ChatTemplate* chat;
  std::string date;

  Result<TrainingText> Read(std::string_view line) const {
    AHA_ASSIGN_OR_RETURN(const Json json, ParseJson(line));
    if (!json.is_object()) return InvalidArgument("not an object");
    if (FindKey(json, "text") != nullptr) {
      AHA_ASSIGN_OR_RETURN(std::string text, GetString(json, "text"));
      return TrainingText{{Whole(std::move(text), 1, false)}};
    }
    if (const Json* messages = FindKey(json, "messages")) {
      if (chat == nullptr) {
        return InvalidArgument(
            "messages want a chat template: the model has none, and [tokenizer] "
            "chat_template is not set");
      }
      RenderOptions options{.date = date};
      if (const Json* tools = FindKey(json, "tools")) options.tools = *tools;
      return TextOfConversation(*chat, *messages, options);
    }
    if (FindKey(json, "prompt") == nullptr) {
      return InvalidArgument("neither text, nor messages, nor prompt and completion");
    }
    AHA_ASSIGN_OR_RETURN(std::string prompt, GetString(json, "prompt"));
    AHA_ASSIGN_OR_RETURN(std::string completion, GetString(json, "completion"));
    return TrainingText{
        {Whole(std::move(prompt), 0, true), Whole(std::move(completion), 1, false)}};
  }
};

}  // namespace

TrainingText TextOf(const Document& document) {
  TrainingText out;
  for (const Document::Segment& s : document.segments) {
    out.segments.push_back(Whole(s.text, s.weight, s.prompt));
  }
  return out;
}

Result<DocumentFile> ReadDocumentFile(const Json& data, const ChatTemplate* chat) {
  Section s(&data, "data jsonl");
  s.Take("name");
  DocumentFile file;
  // A run is to be the same tomorrow.
  LineReader reader{chat, "2025-01-01"};
  enum class OnError { kFail, kSkip } on_error = OnError::kFail;
  s.Read("path", &file.path);
  s.ReadOne("on_error", {"fail", "skip"}, &on_error);
  s.Read("date", &reader.date);
  AHA_RETURN_IF_ERROR(s.Finish());
  file.skip = on_error == OnError::kSkip;
  AHA_ASSIGN_OR_RETURN(const std::string text, ReadFile(file.path, kLargestFile));
  int64_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \r\t") == std::string_view::npos) continue;
    Result<TrainingText> document = reader.Read(line);
    if (document.ok()) {
      file.documents.push_back(*std::move(document));
      file.lines.push_back(number);
      continue;
    }
    const Status error = document.status().Within(fmt::format("{}:{}", file.path, number));
    if (!file.skip) return error;
    if (file.skipped++ == 0) file.first_skipped = error.message();
  }
  if (file.documents.empty()) {
    return InvalidArgument("{} holds no documents{}{}", file.path, file.skipped > 0 ? "; " : "",
                           file.first_skipped);
  }
  return file;
}

Status ForEachText(const Json& data, const ChatTemplate* chat, uint64_t seed, int64_t generated,
                   const std::function<Status(const TrainingText&)>& hear) {
  AHA_ASSIGN_OR_RETURN(const std::string name, GetString(data, "name"));
  if (name == "jsonl") {
    AHA_ASSIGN_OR_RETURN(const DocumentFile file, ReadDocumentFile(data, chat));
    for (const TrainingText& text : file.documents) AHA_RETURN_IF_ERROR(hear(text));
    return OkStatus();
  }
  AHA_ASSIGN_OR_RETURN(const auto source, MakeDocumentSource(data));
  for (int64_t i = 0; i < generated; ++i) {
    AHA_RETURN_IF_ERROR(hear(TextOf(source->Get(seed, static_cast<uint64_t>(i)))));
  }
  return OkStatus();
}

}  // namespace aha
