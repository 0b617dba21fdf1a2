#include "engine/prefix_cache.h"

#include <gtest/gtest.h>

#include <numeric>

#include "engine/page_pool.h"

namespace aha {
namespace {

constexpr int64_t kPage = 4;

PagePool NewPool(int64_t pages, bool latent = false, DType dtype = DType::kF32) {
  ops::KvLayout layout;
  layout.n_kv_heads = 1;
  layout.k_dim = 2;
  layout.v_dim = 1;
  layout.latent = latent;
  return std::move(PagePool::Create(layout, 2, kPage, pages, dtype)).value();
}

std::vector<int32_t> Ids(int32_t first, int64_t n) {
  std::vector<int32_t> ids(static_cast<size_t>(n));
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

// Stores whole pages of `ids` as a sequence that finds nothing would, and lets go of them.
std::vector<int32_t> Store(PrefixCache* cache, const std::vector<int32_t>& ids, uint64_t salt = 0) {
  PrefixCache::Chain chain = cache->root();
  std::vector<int32_t> pages;
  for (size_t at = 0; at + kPage <= ids.size(); at += kPage) {
    pages.push_back(
        cache->Insert(salt, std::span(ids).subspan(at, kPage), cache->Allocate(), &chain));
  }
  const std::vector<int32_t> copy = pages;
  cache->ReleaseAll(&pages);
  return copy;
}

int64_t Found(PrefixCache* cache, const std::vector<int32_t>& ids, uint64_t salt = 0) {
  std::vector<int32_t> pages;
  cache->Find(salt, ids, static_cast<int64_t>(ids.size()) / kPage, &pages);
  const auto found = static_cast<int64_t>(pages.size());
  cache->ReleaseAll(&pages);
  return found;
}

TEST(PrefixCache, FindsTheLongestRun) {
  PagePool pool = NewPool(16);
  PrefixCache cache(&pool, true);
  Store(&cache, Ids(0, 12));
  EXPECT_EQ(Found(&cache, Ids(0, 12)), 3);
  EXPECT_EQ(Found(&cache, Ids(0, 40)), 3);
  EXPECT_EQ(Found(&cache, Ids(0, 7)), 1);
  EXPECT_EQ(Found(&cache, Ids(4, 8)), 0);  // the same page after nothing is another page
  std::vector<int32_t> other = Ids(0, 12);
  other[5] = 99;
  EXPECT_EQ(Found(&cache, other), 1);
  EXPECT_EQ(cache.referenced(), 0);
}

TEST(PrefixCache, EqualPagesBecomeOne) {
  PagePool pool = NewPool(16);
  PrefixCache cache(&pool, true);
  const std::vector<int32_t> first = Store(&cache, Ids(0, 8));
  EXPECT_EQ(Store(&cache, Ids(0, 8)), first);
}

TEST(PrefixCache, LeastRecentlyUsedGoesFirstAndFromTheEnd) {
  PagePool pool = NewPool(6);
  PrefixCache cache(&pool, true);
  Store(&cache, Ids(0, 12));
  Store(&cache, Ids(100, 12));
  EXPECT_EQ(Found(&cache, Ids(0, 12)), 3);  // used now
  // Looking counts as use, so what is left of 100.. is looked at only once it is the newest.
  std::vector<int32_t> held = {cache.Allocate()};
  EXPECT_EQ(Found(&cache, Ids(0, 12)), 3);
  EXPECT_EQ(Found(&cache, Ids(100, 12)), 2);
  held.push_back(cache.Allocate());
  EXPECT_EQ(Found(&cache, Ids(0, 12)), 2);
  held.push_back(cache.Allocate());
  held.push_back(cache.Allocate());
  EXPECT_EQ(Found(&cache, Ids(100, 12)), 0);
  EXPECT_EQ(Found(&cache, Ids(0, 12)), 2);
  held.push_back(cache.Allocate());
  EXPECT_EQ(Found(&cache, Ids(0, 12)), 1);
  held.push_back(cache.Allocate());
  EXPECT_EQ(cache.Allocate(), kNoPage);
  cache.ReleaseAll(&held);
  EXPECT_EQ(cache.referenced(), 0);
}

TEST(PrefixCache, ReferencedPagesStay) {
  PagePool pool = NewPool(3);
  PrefixCache cache(&pool, true);
  Store(&cache, Ids(0, 8));
  std::vector<int32_t> held;
  cache.Find(0, Ids(0, 8), 2, &held);
  EXPECT_EQ(held.size(), 2u);
  std::vector<int32_t> more = {cache.Allocate()};
  EXPECT_EQ(cache.Allocate(), kNoPage);
  cache.ReleaseAll(&more);
  cache.ReleaseAll(&held);
  EXPECT_EQ(Found(&cache, Ids(0, 8)), 2);
}

TEST(PrefixCache, ClearForgetsAndBreaksChains) {
  PagePool pool = NewPool(8);
  PrefixCache cache(&pool, true);
  const std::vector<int32_t> ids = Ids(0, 12);
  PrefixCache::Chain chain = cache.root();
  std::vector<int32_t> held;
  held.push_back(cache.Insert(0, std::span(ids).first(4), cache.Allocate(), &chain));
  cache.Clear();
  held.push_back(cache.Insert(0, std::span(ids).subspan(4, 4), cache.Allocate(), &chain));
  held.push_back(cache.Insert(0, std::span(ids).subspan(8, 4), cache.Allocate(), &chain));
  EXPECT_EQ(Found(&cache, ids), 0);
  cache.ReleaseAll(&held);
  EXPECT_EQ(Found(&cache, ids), 0);
  Store(&cache, ids);
  EXPECT_EQ(Found(&cache, ids), 3);
}

TEST(PrefixCache, SaltsShareNothing) {
  PagePool pool = NewPool(32);
  PrefixCache cache(&pool, true);
  const std::vector<int32_t> plain = Store(&cache, Ids(0, 12));
  EXPECT_EQ(Found(&cache, Ids(0, 12), 7), 0);
  const std::vector<int32_t> salted = Store(&cache, Ids(0, 8), 7);
  EXPECT_NE(salted, std::vector<int32_t>(plain.begin(), plain.begin() + 2));
  EXPECT_EQ(Store(&cache, Ids(0, 8), 7), salted);
  EXPECT_EQ(Found(&cache, Ids(0, 12), 7), 2);
  EXPECT_EQ(Found(&cache, Ids(0, 12)), 3);
  EXPECT_EQ(Found(&cache, Ids(0, 12), ~uint64_t{0}), 0);
  cache.Clear();
  EXPECT_EQ(Found(&cache, Ids(0, 12), 7), 0);
}

TEST(PrefixCache, ManyPagesManyChains) {
  PagePool pool = NewPool(64);
  PrefixCache cache(&pool, true);
  for (int32_t i = 0; i < 500; ++i) {
    Store(&cache, Ids(i * 1000, 4 * (1 + i % 9)));
    EXPECT_EQ(Found(&cache, Ids(i * 1000, 36)), 1 + i % 9);
    if (i > 20) EXPECT_EQ(Found(&cache, Ids((i - 20) * 1000, 36)), 0);
  }
}

template <typename T>
void ExpectCopiesEveryLayer(DType dtype) {
  const auto at = [](std::span<void* const> layers, size_t layer) {
    return static_cast<T*>(layers[layer]);
  };
  PagePool pool = NewPool(3, false, dtype);
  for (size_t l = 0; l < 2; ++l) {
    for (int i = 0; i < 8; ++i) at(pool.k(), l)[8 + i] = static_cast<T>(100 * l + 1 + i);
    for (int i = 0; i < 4; ++i) at(pool.v(), l)[4 + i] = static_cast<T>(100 * l + 50 + i);
  }
  pool.CopyPage(1, 2);
  for (size_t l = 0; l < 2; ++l) {
    for (int i = 0; i < 8; ++i) {
      EXPECT_EQ(at(pool.k(), l)[16 + i], static_cast<T>(100 * l + 1 + i));
    }
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(at(pool.v(), l)[8 + i], static_cast<T>(100 * l + 50 + i));
    }
  }
  PagePool latent = NewPool(2, true, dtype);
  EXPECT_EQ(latent.v()[0], nullptr);
  at(latent.k(), 1)[0] = 5;
  latent.CopyPage(0, 1);
  EXPECT_EQ(at(latent.k(), 1)[8], 5);
}

TEST(PagePool, CopiesEveryLayer) {
  ExpectCopiesEveryLayer<float>(DType::kF32);
  ExpectCopiesEveryLayer<uint16_t>(DType::kF16);
}

TEST(PagePool, RefusesWhatNoMachineHas) {
  ops::KvLayout layout;
  layout.n_kv_heads = 1 << 20;
  layout.k_dim = layout.v_dim = 1 << 20;  // the product passes int64
  const Result<PagePool> pool = PagePool::Create(layout, 1000, 32, 1 << 20);
  ASSERT_FALSE(pool.ok());
  EXPECT_NE(pool.status().message().find("GiB"), std::string::npos);
  EXPECT_FALSE(PagePool::Create(layout, 1, 32, int64_t{1} << 40).ok());
}

}  // namespace
}  // namespace aha
