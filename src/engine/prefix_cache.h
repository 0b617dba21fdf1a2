// Gives out the pages of a PagePool and remembers what full pages hold, so that sequences with
// equal beginnings share them.
//
// A full page is known by its chain: the chain of the page before it, its salt and its own token
// ids. Chains are numbers never given twice, and salt and ids are compared one by one, so a hit is
// exact: no hash is trusted, and pages of one salt are never found with another. A page nobody
// references stays known until its memory is needed; the least recently used goes first. Holders
// drop their pages last page first, so a page outlives those after it.
#ifndef AHA_ENGINE_PREFIX_CACHE_H_
#define AHA_ENGINE_PREFIX_CACHE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "engine/page_pool.h"

namespace aha {

class PrefixCache {
 public:
  using Chain = uint64_t;

  // `pool` outlives the cache. Not enabled: gives out pages and remembers nothing.
  PrefixCache(PagePool* pool, bool enabled);

  // A page with one reference and unknown content; kNoPage when all are referenced.
  int32_t Allocate();
  void Retain(int32_t page);
  void Release(int32_t page);
  // From the last page to the first; `pages` is empty afterwards.
  void ReleaseAll(std::vector<int32_t>* pages);

  // Appends to `pages` the longest run of known pages of `salt` that hold `ids`, at most `most`,
  // each with a reference for the caller.
  void Find(uint64_t salt, std::span<const int32_t> ids, int64_t most, std::vector<int32_t>* pages);
  // Remembers that `page`, which the caller references, holds `ids` (page_tokens of them) after
  // `chain`, which is of the same salt or the root. When an equal page is known already the
  // caller's reference moves to that one. Returns the caller's page and sets its chain. Nothing is
  // remembered after a chain from before Clear.
  int32_t Insert(uint64_t salt, std::span<const int32_t> ids, int32_t page, Chain* chain);
  // The chain that a first page follows, and the chain of a page (0, which nothing follows, when
  // the page is not known).
  Chain root() const { return root_; }
  Chain chain(int32_t page) const { return nodes_[static_cast<size_t>(page)].chain; }
  // Forgets everything; referenced pages stay with their holders.
  void Clear();

  int64_t referenced() const { return pool_->pages() - unreferenced_; }

 private:
  struct Node {
    Chain chain = 0;  // 0: not known
    Chain parent = 0;
    uint64_t salt = 0;
    uint64_t hash = 0;
    int32_t next_in_bucket = kNoPage;
    int32_t older = kNoPage, newer = kNoPage;  // in the list of unreferenced pages
  };
  Node& node(int32_t page) { return nodes_[static_cast<size_t>(page)]; }
  std::span<int32_t> ids(int32_t page);
  struct Key {
    Chain parent;
    uint64_t salt;
    std::span<const int32_t> ids;
  };
  static uint64_t Hash(const Key& key);
  int32_t Lookup(const Key& key, uint64_t hash);
  void Forget(int32_t page);
  void Link(int32_t page);
  void Unlink(int32_t page);

  PagePool* pool_;
  bool enabled_;
  std::vector<Node> nodes_;       // [pages]
  std::vector<int32_t> ids_;      // [pages, page_tokens], of known pages
  std::vector<int32_t> buckets_;  // first page of each hash bucket; a power of two of them
  // Unreferenced pages in order of last use: unknown ones at the old end.
  int32_t oldest_ = kNoPage, newest_ = kNoPage;
  int64_t unreferenced_ = 0;
  Chain next_chain_ = 2;
  Chain root_ = 1;
};

}  // namespace aha

#endif  // AHA_ENGINE_PREFIX_CACHE_H_
