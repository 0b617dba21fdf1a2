#include "engine/prefix_cache.h"

#include <algorithm>
#include <bit>

namespace aha {
namespace {

uint64_t Mix(uint64_t h, uint64_t value) {
  h = (h ^ value) * 0x9E3779B97F4A7C15u;
  return h ^ (h >> 29);
}

}  // namespace

uint64_t PrefixCache::Hash(const Key& key) {
  uint64_t h = Mix(Mix(0x243F6A8885A308D3u, key.parent), key.salt);
  for (int32_t id : key.ids) h = Mix(h, static_cast<uint32_t>(id));
  return h;
}

PrefixCache::PrefixCache(PagePool* pool, bool enabled) : pool_(pool), enabled_(enabled) {
  const auto pages = static_cast<size_t>(pool->pages());
  nodes_.resize(pages);
  if (enabled) ids_.resize(pages * static_cast<size_t>(pool->page_tokens()));
  buckets_.assign(std::bit_ceil(pages * 2), kNoPage);
  // Linked so that page 0 is given out first: memory is touched from the front.
  for (int32_t page = static_cast<int32_t>(pages) - 1; page >= 0; --page) Link(page);
}

std::span<int32_t> PrefixCache::ids(int32_t page) {
  const auto n = static_cast<size_t>(pool_->page_tokens());
  return {ids_.data() + static_cast<size_t>(page) * n, n};
}

int32_t PrefixCache::Allocate() {
  const int32_t page = oldest_;
  if (page == kNoPage) return kNoPage;
  if (node(page).chain != 0) Forget(page);
  Retain(page);
  return page;
}

void PrefixCache::Retain(int32_t page) {
  if (pool_->references(page) == 0) Unlink(page);
  pool_->Retain(page);
}

void PrefixCache::Release(int32_t page) {
  if (pool_->Drop(page) == 0) Link(page);
}

void PrefixCache::ReleaseAll(std::vector<int32_t>* pages) {
  for (size_t i = pages->size(); i-- > 0;) Release((*pages)[i]);
  pages->clear();
}

void PrefixCache::Find(uint64_t salt, std::span<const int32_t> ids, int64_t most,
                       std::vector<int32_t>* pages) {
  if (!enabled_) return;
  const auto n = static_cast<size_t>(pool_->page_tokens());
  Chain parent = root_;
  for (int64_t i = 0; i < most; ++i) {
    const Key key{parent, salt, ids.subspan(static_cast<size_t>(i) * n, n)};
    const int32_t page = Lookup(key, Hash(key));
    if (page == kNoPage) return;
    Retain(page);
    pages->push_back(page);
    parent = chain(page);
  }
}

int32_t PrefixCache::Lookup(const Key& key, uint64_t hash) {
  int32_t page = buckets_[hash & (buckets_.size() - 1)];
  for (; page != kNoPage; page = node(page).next_in_bucket) {
    const Node& n = node(page);
    if (n.hash == hash && n.parent == key.parent && n.salt == key.salt &&
        std::ranges::equal(ids(page), key.ids)) {
      return page;
    }
  }
  return kNoPage;
}

int32_t PrefixCache::Insert(uint64_t salt, std::span<const int32_t> wanted, int32_t page,
                            Chain* chain) {
  if (!enabled_) return page;
  const Chain parent = *chain;
  if (parent < root_) {  // from before Clear
    *chain = 0;
    return page;
  }
  const Key key{parent, salt, wanted};
  const uint64_t hash = Hash(key);
  const int32_t known = Lookup(key, hash);
  if (known != kNoPage) {
    // Equal ids after equal ids are equal rows to the bit, so one page is enough.
    if (known != page) {
      Retain(known);
      Release(page);
    }
    *chain = node(known).chain;
    return known;
  }
  Node& n = node(page);
  CHECK(n.chain == 0, "a page holds two things");
  n.chain = next_chain_++;
  n.parent = parent;
  n.salt = salt;
  n.hash = hash;
  std::ranges::copy(wanted, ids(page).begin());
  int32_t& bucket = buckets_[hash & (buckets_.size() - 1)];
  n.next_in_bucket = bucket;
  bucket = page;
  *chain = n.chain;
  return page;
}

void PrefixCache::Clear() {
  for (int32_t page = 0; page < static_cast<int32_t>(nodes_.size()); ++page) {
    if (node(page).chain != 0) Forget(page);
  }
  root_ = next_chain_++;
}

void PrefixCache::Forget(int32_t page) {
  Node& n = node(page);
  int32_t* at = &buckets_[n.hash & (buckets_.size() - 1)];
  while (*at != page) at = &node(*at).next_in_bucket;
  *at = n.next_in_bucket;
  n.chain = n.parent = n.salt = n.hash = 0;
  n.next_in_bucket = kNoPage;
}

void PrefixCache::Link(int32_t page) {
  Node& n = node(page);
  ++unreferenced_;
  const bool known = n.chain != 0;
  n.older = known ? newest_ : kNoPage;
  n.newer = known ? kNoPage : oldest_;
  (n.older == kNoPage ? oldest_ : node(n.older).newer) = page;
  (n.newer == kNoPage ? newest_ : node(n.newer).older) = page;
}

void PrefixCache::Unlink(int32_t page) {
  Node& n = node(page);
  --unreferenced_;
  (n.older == kNoPage ? oldest_ : node(n.older).newer) = n.newer;
  (n.newer == kNoPage ? newest_ : node(n.newer).older) = n.older;
  n.older = n.newer = kNoPage;
}

}  // namespace aha
