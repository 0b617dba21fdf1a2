// What the app's model picker shows of each model: family, size, and whether it fits this machine.
#ifndef AHA_SERVER_MODEL_CARDS_H_
#define AHA_SERVER_MODEL_CARDS_H_

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/mutex.h"
#include "base/status.h"

namespace aha {

struct ModelCard {
  std::string id;
  std::filesystem::path path;
  std::string family, thinking;  // thinking: "always", "optional", "none"
  int64_t parameters = 0, file_bytes = 0, context = 0;
  int64_t cache_row_bytes = 0;  // key-value cache of one token
  int64_t bytes_per_token = 0;  // read to decode one
  std::string run, step;        // of a training run's checkpoint
};

// Cards are made by opening the model once, and kept while its files stay as they are. Any thread.
class ModelCards {
 public:
  // `runs`: folder of training runs, may be empty.
  explicit ModelCards(std::filesystem::path runs) : runs_(std::move(runs)) {}
  // Installed models, then checkpoints; what cannot be opened is left out.
  std::vector<ModelCard> List();

 private:
  struct Found {
    std::string id;
    std::filesystem::path path;
    std::string run, step;
  };
  std::vector<Found> FindAll() const;

  std::filesystem::path runs_;
  Mutex mutex_;
  // By path; the stamp changes with the files.
  std::map<std::string, std::pair<std::string, ModelCard>> known_ AHA_GUARDED_BY(mutex_);
};

// As GET /api/models gives it. `read_bytes_per_s`: measured bandwidth, 0: not known.
Json CardJson(const ModelCard& card, bool loaded, int64_t available_bytes, double read_bytes_per_s);

}  // namespace aha

#endif  // AHA_SERVER_MODEL_CARDS_H_
