// Every limit of the server in one place. Sizes in bytes, times in seconds.
#ifndef AHA_SERVER_LIMITS_H_
#define AHA_SERVER_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace aha::limits {

// --- connections ---
inline constexpr int kConnections = 4096;         // or what open files allow
inline constexpr size_t kHeaderBytes = 64 << 10;  // request line and all headers
inline constexpr size_t kHeaderLines = 100;       // of one request
inline constexpr size_t kBodyBytes = 32 << 20;    // of one request, whatever its encoding
inline constexpr int kHeaderSeconds = 20;         // a whole header must have come by then
inline constexpr int kBodySeconds = 120;          // and a whole body
inline constexpr int kIdleSeconds = 75;           // between requests of one connection
inline constexpr int kWriteSeconds = 60;         // a reader that takes nothing for so long has gone
inline constexpr int kPingSeconds = 15;          // silence of a stream before ": keep-alive"
inline constexpr size_t kUnsentBytes = 8 << 20;  // queued for a slow reader before it is dropped
inline constexpr size_t kPipelinedBytes = 64 << 10;  // sent ahead while an answer is made

// --- requests ---
inline constexpr int kJsonDepth = 64;
inline constexpr size_t kMessages = 10'000;
inline constexpr size_t kStopStrings = 16;
inline constexpr size_t kStopStringBytes = 4096;
inline constexpr size_t kTools = 128;
inline constexpr size_t kLogitBias = 4096;
inline constexpr int kSamples = 128;          // n, and samples of a vote
inline constexpr int kPromptBatch = 2048;     // prompts of one completions request
inline constexpr size_t kPromptsAtWork = 64;  // of those at a time; other requests have places too
inline constexpr int kTopLogprobs = 20;
inline constexpr size_t kIncludes = 32;  // of one responses request
inline constexpr size_t kIncludeBytes = 100;
inline constexpr int64_t kLogprobNumbers = 4 << 20;  // of one completions request's answer
inline constexpr int64_t kMaxTokens = int64_t{1} << 20;
inline constexpr size_t kKnownGrammars = 64;        // kept compiled, of one model
inline constexpr size_t kGrammarBytes = 256 << 10;  // of a grammar or schema

// --- queue ---
inline constexpr int kWaitingRequests = 1024;  // of all users together, before 503
inline constexpr int kUserRequests = 256;      // of one user, before 429
inline constexpr int kRetryAfterSeconds = 2;

// --- training runs ---
inline constexpr size_t kSettings = 64;  // `set` of one run that is started
inline constexpr size_t kSettingBytes = 4096;
inline constexpr int kMetricLines = 2000;  // of one answer

// --- conversations ---
inline constexpr size_t kTitleBytes = 1000;
inline constexpr size_t kTitleCharacters = 60;  // of one made from a message
inline constexpr size_t kModelNameBytes = 1024;
inline constexpr size_t kSearchBytes = 1000;
inline constexpr int kConversationPage = 200;  // conversations of one answer
inline constexpr size_t kPassphraseBytes = 1024;

// --- memory of what was answered ---
inline constexpr int kStoredResponses = 1000;  // of /v1/responses, the oldest goes first
inline constexpr size_t kStoredResponseBytes = 256 << 20;  // of all of them
inline constexpr size_t kKeptEventBytes =
    6 << 20;  // of a background one; sent at once to who returns
inline constexpr int kTurnMemorySeconds = 600;

}  // namespace aha::limits

#endif  // AHA_SERVER_LIMITS_H_
