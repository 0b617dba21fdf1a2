#include "server/response_store.h"

#include <gtest/gtest.h>

namespace aha {
namespace {

StoredResponse Of(const std::string& owner, size_t bytes = 0) {
  return {owner, {{"status", "completed"}}, {{{"content", std::string(bytes, 'x')}}}};
}

TEST(ResponseStore, AnothersDoesNotExist) {
  ResponseStore store;
  store.Add("a", Of("owner"));
  EXPECT_NE(store.Find("owner", "a"), nullptr);
  EXPECT_EQ(store.Find("other", "a"), nullptr);
  EXPECT_EQ(store.Find("", "a"), nullptr);
  EXPECT_FALSE(store.Remove("other", "a"));
  EXPECT_TRUE(store.Remove("owner", "a"));
  EXPECT_EQ(store.Find("owner", "a"), nullptr);
  EXPECT_FALSE(store.Remove("owner", "a"));
}

TEST(ResponseStore, TheOldestGoes) {
  ResponseStore store;
  for (int i = 0; i <= limits::kStoredResponses; ++i) {
    store.Add("r" + std::to_string(i), Of("owner"));
    store.Replace("r" + std::to_string(i), Of("owner"));
  }
  EXPECT_EQ(store.Find("owner", "r0"), nullptr);
  EXPECT_NE(store.Find("owner", "r1"), nullptr);
}

TEST(ResponseStore, LargeOnesLeaveRoomForFewer) {
  ResponseStore store(/*max_bytes=*/10'000);
  store.Add("a", Of("owner", 4000));
  store.Add("b", Of("owner", 4000));
  EXPECT_NE(store.Find("owner", "a"), nullptr);
  store.Replace("b", Of("owner", 7000));
  EXPECT_EQ(store.Find("owner", "a"), nullptr);
  EXPECT_NE(store.Find("owner", "b"), nullptr);
  store.Add("c", Of("owner", 20'000));  // the newest stays, whatever it is
  EXPECT_EQ(store.Find("owner", "b"), nullptr);
  EXPECT_NE(store.Find("owner", "c"), nullptr);
  EXPECT_TRUE(store.Remove("owner", "c"));
  store.Add("d", Of("owner", 4000));
  store.Add("e", Of("owner", 4000));
  EXPECT_NE(store.Find("owner", "d"), nullptr) << "what went counts no longer";
}

TEST(ResponseStore, WhatIsGoneIsNotReplaced) {
  ResponseStore store;
  store.Replace("a", Of("owner"));
  EXPECT_EQ(store.Find("owner", "a"), nullptr);
}

}  // namespace
}  // namespace aha
