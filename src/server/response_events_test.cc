#include "server/response_events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/sink_test_run.h"

namespace aha {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct LeavingClient : EventClient {
  void OnGone(std::function<void()> f) override { gone = std::move(f); }
  std::function<void()> gone;
};

std::vector<int> NumbersOf(const EventClient& client) {
  std::vector<int> numbers;
  for (const Json& event : client.events) numbers.push_back(event["sequence_number"]);
  return numbers;
}

class ResponseEventsTest : public testing::Test {
 protected:
  std::shared_ptr<LeavingClient> Follow(int64_t after) {
    auto client = std::make_shared<LeavingClient>();
    events_->Follow(client, after);
    return client;
  }
  void Add(int n) {
    for (int i = 0; i < n; ++i) events_->Add("a", {{"x", i}});
  }

  std::shared_ptr<ResponseEvents> events_ = std::make_shared<ResponseEvents>(/*keep=*/true, 1000);
};

TEST_F(ResponseEventsTest, WhoComesLateHearsWhatWasMissedAndWhatFollows) {
  Add(3);
  const auto all = Follow(-1), some = Follow(1), none = Follow(7);
  EXPECT_THAT(NumbersOf(*all), ElementsAre(0, 1, 2));
  EXPECT_THAT(NumbersOf(*some), ElementsAre(2));
  EXPECT_THAT(NumbersOf(*none), IsEmpty());
  Add(1);
  EXPECT_THAT(NumbersOf(*some), ElementsAre(2, 3));
  events_->End();
  EXPECT_TRUE(all->ended && some->ended && none->ended);
  const auto late = Follow(2);
  EXPECT_THAT(NumbersOf(*late), ElementsAre(3));
  EXPECT_TRUE(late->ended);
}

TEST_F(ResponseEventsTest, WhoLeavesHearsNoMore) {
  const auto left = Follow(-1), stayed = Follow(-1);
  Add(1);
  left->gone();
  Add(1);
  events_->End();
  EXPECT_THAT(NumbersOf(*left), ElementsAre(0));
  EXPECT_FALSE(left->ended);
  EXPECT_THAT(NumbersOf(*stayed), ElementsAre(0, 1));
  stayed->gone();  // of a stream that has ended
  events_.reset();
  left->gone();  // and of events that are no more
}

TEST_F(ResponseEventsTest, KeepsWhatHasRoom) {
  const auto client = Follow(-1);
  Add(10);
  EXPECT_TRUE(events_->kept());
  EXPECT_GT(events_->bytes(), 400u);
  Add(30);
  EXPECT_FALSE(events_->kept());
  EXPECT_EQ(events_->bytes(), 0u);
  EXPECT_EQ(NumbersOf(*client).size(), 40u) << "who has listened all along";
  events_ = std::make_shared<ResponseEvents>(/*keep=*/false);
  Add(2);
  EXPECT_EQ(events_->bytes(), 0u);
}

}  // namespace
}  // namespace aha
