#include "engine/scheduler.h"

#include <algorithm>
#include <limits>

namespace aha {

Scheduler::Scheduler(PagePool* pool, PrefixCache* cache, Limits limits)
    : pool_(pool), cache_(cache), limits_(limits) {
  running_.reserve(static_cast<size_t>(limits.max_sequences));
  work_.reserve(static_cast<size_t>(limits.max_sequences));
  by_served_.reserve(16);
}

void Scheduler::Join(RequestState* request) {
  const auto [it, is_new] = owners_.try_emplace(request->params.owner);
  Owner& owner = it->second;
  if (is_new) {
    // A newcomer is level with the least served: it owes nothing, and it is owed nothing.
    int64_t least = std::numeric_limits<int64_t>::max();
    for (auto& [id, other] : owners_) {
      if (&other != &owner) least = std::min(least, other.served);
    }
    owner.served = owners_.size() == 1 ? 0 : least;
    by_served_.reserve(owners_.size());
  }
  ++owner.requests;
  request->owner = &owner;
  request->not_started = static_cast<int32_t>(request->samples.size());
  request->samples[0].state = SequenceState::kWaiting;
  owner.waiting.insert(&request->samples[0]);
}

void Scheduler::Leave(RequestState* request) {
  DropPrompt(request);
  if (--request->owner->requests == 0) owners_.erase(request->params.owner);
  request->owner = nullptr;
}

void Scheduler::Finish(Sequence* sequence) {
  RequestState* request = sequence->request;
  if (sequence->state == SequenceState::kRunning) {
    running_.erase(std::ranges::lower_bound(running_, sequence, Older{}));
    --request->owner->running;
  } else if (sequence->state == SequenceState::kWaiting) {
    request->owner->waiting.erase(sequence);
  }
  cache_->ReleaseAll(&sequence->pages);
  sequence->state = SequenceState::kFinished;
  if (--request->unfinished == 0) DropPrompt(request);
}

void Scheduler::PromptDone(RequestState* request) {
  request->prompt_done = true;
  if (request->samples.size() == 1) return;
  const Sequence& first = request->samples[0];
  const int64_t pages = (request->prompt_size() - 1) / pool_->page_tokens() + 1;
  request->prompt_pages.assign(first.pages.begin(), first.pages.begin() + pages);
  for (int32_t page : request->prompt_pages) cache_->Retain(page);
  kept_.push_back(request);
  for (Sequence& sequence : request->samples) {
    if (sequence.state != SequenceState::kDormant) continue;
    sequence.state = SequenceState::kWaiting;
    request->owner->waiting.insert(&sequence);
  }
}

void Scheduler::DropPrompt(RequestState* request) {
  if (request->prompt_pages.empty()) return;
  cache_->ReleaseAll(&request->prompt_pages);
  kept_.erase(std::ranges::find(kept_, request));
}

void Scheduler::ClearCache() {
  while (!kept_.empty()) DropPrompt(kept_.back());
  cache_->Clear();
}

std::span<const Work> Scheduler::Plan() {
  work_.clear();
  GrowRunning();
  Admit();
  for (Sequence* sequence : running_) {
    if (sequence->pending() == 1) work_.push_back({sequence, 1});
  }
  SharePrefill();
  for (const Work& work : work_) work.sequence->request->owner->served += work.rows;
  return work_;
}

void Scheduler::Computed(const Work& work) {
  Sequence& s = *work.sequence;
  const int64_t n = pool_->page_tokens();
  s.computed += work.rows;
  for (; (s.known_pages + 1) * n <= s.computed; ++s.known_pages) {
    const auto ids = std::span<const int32_t>(s.tokens).subspan(
        static_cast<size_t>(s.known_pages * n), static_cast<size_t>(n));
    int32_t& page = s.pages[static_cast<size_t>(s.known_pages)];
    page = cache_->Insert(s.request->params.cache_salt, ids, page, &s.chain);
  }
}

// --- growth and preemption ---

void Scheduler::GrowRunning() {
  // Only younger sequences are ever taken away here, so the index stays good.
  for (size_t i = 0; i < running_.size(); ++i) {
    if (running_[i]->pending() == 1 && !Grow(running_[i])) return;  // it was the youngest
  }
}

// Makes the row of the next token writable; false when the sequence itself had to go.
bool Scheduler::Grow(Sequence* sequence) {
  while (true) {
    const int64_t rows = static_cast<int64_t>(sequence->pages.size()) * pool_->page_tokens();
    if (sequence->computed >= rows) {
      const int32_t page = cache_->Allocate();
      if (page != kNoPage) {
        sequence->pages.push_back(page);
        return true;
      }
    } else if (MakeWritable(sequence)) {
      return true;
    }
    if (FreeSomething()) continue;
    Sequence* victim = running_.back();
    Preempt(victim);
    if (victim == sequence) return false;
  }
}

// The page of the first row to compute belongs to this sequence alone afterwards. A page that is
// known but has one holder is written in place: a row computed again has the bits it had.
bool Scheduler::MakeWritable(Sequence* sequence) {
  int32_t& page = sequence->pages[static_cast<size_t>(sequence->computed / pool_->page_tokens())];
  if (pool_->references(page) == 1) return true;
  const int32_t copy = cache_->Allocate();
  if (copy == kNoPage) return false;
  pool_->CopyPage(page, copy);
  cache_->Release(page);
  page = copy;
  return true;
}

// Prompts kept for samples that have not started go before any sample's own pages.
bool Scheduler::FreeSomething() {
  if (kept_.empty()) return false;
  DropPrompt(kept_.back());
  return true;
}

void Scheduler::Preempt(Sequence* sequence) {
  running_.erase(std::ranges::lower_bound(running_, sequence, Older{}));
  Owner* owner = sequence->request->owner;
  --owner->running;
  cache_->ReleaseAll(&sequence->pages);
  sequence->computed = 0;
  sequence->state = SequenceState::kWaiting;
  owner->waiting.insert(sequence);
  ++preemptions_;
}

// --- admission ---

int64_t Scheduler::PrefillDemand(const Sequence* sequence) {
  const int64_t pending = sequence->pending();
  return pending > 1 ? pending : 0;
}

// The least served owner with a sample waiting; ties to the older sample. Owners that have a step's
// worth of prompt to compute already need no more.
Owner* Scheduler::NextOwner() {
  Owner* next = nullptr;
  for (auto& [id, owner] : owners_) {
    if (owner.waiting.empty()) continue;
    if (owner.demand >= limits_.prefill_chunk) continue;
    if (next == nullptr || owner.served < next->served ||
        (owner.served == next->served && Older{}(*owner.waiting.begin(), *next->waiting.begin()))) {
      next = &owner;
    }
  }
  return next;
}

void Scheduler::Admit() {
  for (auto& [id, owner] : owners_) owner.demand = 0;
  for (const Sequence* s : running_) s->request->owner->demand += PrefillDemand(s);
  while (Owner* owner = NextOwner()) {
    Sequence* sequence = *owner->waiting.begin();
    while (running() >= limits_.max_sequences || !TryAdmit(sequence)) {
      if (MakeRoomFor(owner)) continue;
      if (!running_.empty()) return;
      // Nothing runs, so only kept prompts can be in the way: one sequence always fits.
      CHECK(FreeSomething(), "a sequence does not fit an empty cache");
    }
    owner->waiting.erase(sequence);
    running_.insert(std::ranges::lower_bound(running_, sequence, Older{}), sequence);
    sequence->state = SequenceState::kRunning;
    ++owner->running;
    owner->demand += PrefillDemand(sequence);
  }
}

// An owner none of whose samples run takes the place of the youngest sample of whoever has most.
bool Scheduler::MakeRoomFor(Owner* owner) {
  if (owner->running > 0) return false;
  Owner* most = nullptr;
  for (auto& [id, other] : owners_) {
    if (most == nullptr || other.running > most->running) most = &other;
  }
  if (most->running < 2) return false;
  for (size_t i = running_.size(); i-- > 0;) {
    if (running_[i]->request->owner != most) continue;
    most->demand -= PrefillDemand(running_[i]);
    Preempt(running_[i]);
    return true;
  }
  return false;
}

// Gives the sequence pages for all its tokens, as many as possible from the cache. False, and
// nothing has changed, when there are not enough.
bool Scheduler::TryAdmit(Sequence* sequence) {
  RequestState* request = sequence->request;
  const bool first_time = sequence->tokens.empty();
  if (first_time) {
    // Room for all there will be: no token's arrival allocates.
    const int64_t most =
        std::min(limits_.max_context, request->prompt_size() + request->params.max_tokens);
    sequence->tokens.reserve(static_cast<size_t>(most));
    sequence->pages.reserve(static_cast<size_t>((most - 1) / pool_->page_tokens() + 1));
    sequence->tokens = request->params.prompt;
  }
  TakeCachedPages(sequence);
  const int64_t wanted =
      (static_cast<int64_t>(sequence->tokens.size()) - 1) / pool_->page_tokens() + 1;
  const int64_t rows = static_cast<int64_t>(sequence->pages.size()) * pool_->page_tokens();
  bool fits = sequence->computed == rows || MakeWritable(sequence);
  while (fits && static_cast<int64_t>(sequence->pages.size()) < wanted) {
    const int32_t page = cache_->Allocate();
    fits = page != kNoPage;
    if (fits) sequence->pages.push_back(page);
  }
  if (!fits) {
    cache_->ReleaseAll(&sequence->pages);
    sequence->computed = 0;
    if (first_time) sequence->tokens.clear();
    return false;
  }
  cached_tokens_ += sequence->computed;
  if (first_time && sequence->sample == 0) request->cached_prompt = sequence->computed;
  if (first_time && --request->not_started == 0) DropPrompt(request);
  return true;
}

// Starts the sequence with whichever is more: what the prefix cache knows of its tokens, or its
// request's kept prompt. The last token is left to compute, for its logits; so are prompt tokens
// whose log-probabilities are still to be reported.
void Scheduler::TakeCachedPages(Sequence* s) {
  RequestState* request = s->request;
  const int64_t n = pool_->page_tokens();
  const auto length = static_cast<int64_t>(s->tokens.size());
  int64_t usable = length - 1;
  if (s->sample == 0 && request->params.prompt_logprobs) {
    usable = std::min(usable, request->next_scored - 1);
  }
  cache_->Find(request->params.cache_salt, s->tokens, std::min(length / n, (usable + n - 1) / n),
               &s->pages);
  s->computed = std::min(usable, static_cast<int64_t>(s->pages.size()) * n);
  if (!request->prompt_pages.empty() && std::min(usable, request->prompt_size()) > s->computed) {
    cache_->ReleaseAll(&s->pages);
    s->pages = request->prompt_pages;
    for (int32_t page : s->pages) cache_->Retain(page);
    s->computed = std::min(usable, request->prompt_size());
  }
  s->known_pages = s->computed / n;
  s->chain = cache_->root();
  if (s->known_pages > 0)
    s->chain = cache_->chain(s->pages[static_cast<size_t>(s->known_pages - 1)]);
}

// --- prompt tokens ---

void Scheduler::SharePrefill() {
  by_served_.clear();
  for (auto& [id, owner] : owners_) {
    owner.share = 0;
    if (owner.demand > 0) by_served_.push_back(&owner);
  }
  std::ranges::sort(by_served_, {}, &Owner::served);
  int64_t budget = limits_.prefill_chunk;
  while (budget > 0 && !by_served_.empty()) {
    // An owner that needs less than its share leaves the rest to the others.
    auto left = static_cast<int64_t>(by_served_.size());
    for (Owner* owner : by_served_) {
      const int64_t share = std::min(owner->demand, (budget + left - 1) / left);
      owner->share += share;
      owner->demand -= share;
      budget -= share;
      --left;
    }
    std::erase_if(by_served_, [](const Owner* owner) { return owner->demand == 0; });
  }
  for (Sequence* sequence : running_) {
    Owner* owner = sequence->request->owner;
    const int64_t rows = std::min(owner->share, PrefillDemand(sequence));
    if (rows == 0) continue;
    owner->share -= rows;
    work_.push_back({sequence, rows});
  }
}

}  // namespace aha
