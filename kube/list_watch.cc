#include "kube/list_watch.h"

#include "base/log.h"

namespace flexai::kube {
namespace {

using base::Code;

constexpr base::Nanos kListPatience = 60 * base::kSecond;
constexpr base::Nanos kWatchGrace = 30 * base::kSecond;
constexpr size_t kMostRefusal = 64 << 10;  // of the body of an answer that is no success
constexpr size_t kHandful = 256 << 10;  // of a list, handed on at once; less than a stream's window
constexpr int kMostExpiredLists = 2;    // in pages; then in one piece
constexpr const char* kPacked = "application/vnd.kubernetes.protobuf, application/json";
constexpr int kMostFruitless = 4;  // watches that cannot begin; then a list

// The beginning of an answer, and its body when that is no list or watch.
struct Head {
  int http = 0;
  std::string retry_after, refusal;

  void begin(int status, std::string_view wish) {
    http = status;
    retry_after = wish;
  }
  bool good() const { return http == 200; }
  void add(std::string_view bytes) {
    refusal += bytes.substr(0, kMostRefusal - std::min(kMostRefusal, refusal.size()));
  }
};

Failure failure_of_end(const Ending& ending, const Head& head) {
  if (ending.how != Ending::How::kComplete) {
    Code code = ending.how == Ending::How::kDenied    ? Code::kDenied
                : ending.how == Ending::How::kTimeout ? Code::kTimeout
                                                      : Code::kUnavailable;
    return no_answer(code, ending.why, ending.unprocessed);
  }
  return failure_of(head.http, head.refusal, head.retry_after);
}

}  // namespace

class ListWatch::Page final : public Exchange {
 public:
  explicit Page(std::shared_ptr<ListWatch> owner)
      : owner_(std::move(owner)),
        splitter_(owner_->options_.limits),
        packed_(owner_->options_.limits) {}

  void answered(int http, std::string_view retry_after) override { head_.begin(http, retry_after); }
  bool data(std::string_view bytes) override {
    if (owner_->stopped_) return true;
    if (!head_.good()) return head_.add(bytes), true;
    bool any = false;
    if (!began_ && !bytes.empty()) {
      // Asked for packed, a server answers so if it can; of kinds that are not its own it cannot.
      is_packed_ = owner_->options_.shape != nullptr && bytes.front() == 'k';
      began_ = true;
    }
    const auto status =
        is_packed_ ? packed_.feed(bytes, [&](std::string_view item) { return unpack(item, &any); })
                   : splitter_.feed(bytes, [&](ObjectText item) { return object(item, &any); });
    if (!status.ok()) broken_ = status.error();
    if (!broken_.message.empty()) {
      owner_->garbage(broken_);
      return true;
    }
    if (!any) return true;
    held_ += bytes.size();
    if (held_ >= kHandful) hand_on();
    return false;
  }
  void ended(const Ending& ending) override {
    if (owner_->stopped_) return;
    if (held_ > 0) hand_on();
    if (ending.how != Ending::How::kComplete || !head_.good())
      return owner_->page_failed(failure_of_end(ending, head_));
    if (is_packed_ ? !packed_.whole() : !splitter_.whole())
      return owner_->page_done(base::fail(Code::kCorrupt, "the list is not whole"));
    owner_->page_done(is_packed_ ? packed_.envelope() : read_envelope(splitter_.envelope()));
  }

 private:
  bool object(ObjectText item, bool* any) {
    auto meta = owner_->reader_.meta(item);
    if (meta.ok() && !meta->name.empty()) {
      owner_->sink_->object(EventType::kAdded, *meta, item);
      return *any = true;
    }
    broken_ = meta.ok() ? base::fail(Code::kCorrupt, "an object without a name") : meta.error();
    return false;
  }
  bool unpack(std::string_view bytes, bool* any) {
    const auto item = owner_->unpacker_.object(*owner_->options_.shape, bytes);
    if (item.ok()) return object(*item, any);
    broken_ = item.error();
    return false;
  }

  // Few wakings of the loop for many objects.
  void hand_on() { owner_->sink_->deliver(owner_->taken(std::exchange(held_, 0))); }

  const std::shared_ptr<ListWatch> owner_;
  size_t held_ = 0;  // bytes whose objects are not handed on yet
  ItemSplitter splitter_;
  PackedSplitter packed_;
  bool began_ = false, is_packed_ = false;
  Head head_;
  base::Error broken_;
};

class ListWatch::Watch final : public Exchange {
 public:
  explicit Watch(std::shared_ptr<ListWatch> owner)
      : owner_(std::move(owner)), splitter_(owner_->options_.limits.line) {}

  void answered(int http, std::string_view retry_after) override { head_.begin(http, retry_after); }
  bool data(std::string_view bytes) override {
    if (owner_->stopped_) return true;
    if (!head_.good()) return head_.add(bytes), true;
    uint64_t before = owner_->counts_.events;
    bool going = true;
    auto status = splitter_.feed(
        bytes, [&](ObjectText line) { return going = !owner_->stopped_ && owner_->event(line); });
    bool any = owner_->counts_.events != before;
    if (any) owner_->sink_->deliver(going ? owner_->taken(bytes.size()) : nullptr);
    if (going && !status.ok()) owner_->garbage(status.error());
    return !any;
  }
  void ended(const Ending& ending) override {
    if (owner_->stopped_) return;
    if (ending.how != Ending::How::kComplete || !head_.good())
      return owner_->watch_failed(failure_of_end(ending, head_));
    owner_->watch_done(began_);
  }

 private:
  const std::shared_ptr<ListWatch> owner_;
  LineSplitter splitter_;
  const base::Nanos began_ = base::monotonic_now();
  Head head_;
};

std::shared_ptr<ListWatch> ListWatch::make(Client& client, ListWatchOptions options,
                                           std::shared_ptr<ChangeSink> sink) {
  return std::shared_ptr<ListWatch>(new ListWatch(client, std::move(options), std::move(sink)));
}

ListWatch::ListWatch(Client& client, ListWatchOptions options, std::shared_ptr<ChangeSink> sink)
    : client_(client),
      options_(std::move(options)),
      sink_(std::move(sink)),
      random_(fresh_seed()),
      backoff_(options_.first_backoff, options_.most_backoff, fresh_seed()),
      relist_backoff_(options_.relist_jitter, 32 * options_.relist_jitter, fresh_seed()) {}

void ListWatch::start() {
  client_.transport().io().post([self = shared_from_this()] {
    if (!self->stopped_) self->list();
  });
}

void ListWatch::stop() {
  stopped_ = true;
  client_.transport().io().post(
      [self = shared_from_this()] { self->client_.transport().cancel(self->open_); });
}

void ListWatch::list_anew() {
  client_.transport().io().post([self = shared_from_this()] {
    if (self->stopped_) return;
    ++self->turn_;
    self->client_.transport().cancel(self->open_);
    self->list();
  });
}

std::function<void()> ListWatch::taken(size_t bytes) {
  Transport* transport = &client_.transport();
  return [transport, id = open_, bytes] {
    transport->io().post([transport, id, bytes] { transport->consumed(id, bytes); });
  };
}

void ListWatch::later(base::Nanos pause, void (ListWatch::*what)()) {
  client_.transport().io().at(base::monotonic_now() + pause,
                              [self = shared_from_this(), turn = turn_, what] {
                                if (!self->stopped_ && self->turn_ == turn) ((*self).*what)();
                              });
}

void ListWatch::list() {
  continue_.clear();
  sink_->list_begins();
  next_page();
}

void ListWatch::next_page() {
  ++counts_.lists;
  int page = expired_lists_ > kMostExpiredLists ? 0 : options_.page;
  Request request;
  request.path = list_page(options_.resource, options_.selection, page, continue_).path;
  request.lane = Lane::kWatches;
  if (options_.shape != nullptr) request.accept = kPacked;
  request.deadline = base::monotonic_now() + kListPatience;
  open_ = client_.transport().open(std::move(request), std::make_shared<Page>(shared_from_this()));
}

void ListWatch::page_done(base::Result<ListEnvelope> envelope) {
  if (!envelope.ok()) return garbage(envelope.error());
  continue_ = std::move(envelope->continue_token);
  if (!continue_.empty()) return next_page();
  version_ = std::move(envelope->resource_version);
  expired_lists_ = fruitless_ = 0;
  backoff_.reset();
  sink_->list_ends();
  sink_->deliver(nullptr);
  watch();
}

void ListWatch::page_failed(const Failure& failure) {
  sink_->trouble(failure);
  if (failure.expired()) {
    ++counts_.expired;
    ++expired_lists_;
    return relist_later();
  }
  if (failure.http == 401) client_.transport().renew_token();
  later(std::max(backoff_.next(), failure.retry_after), &ListWatch::next_page);
}

void ListWatch::watch() {
  ++counts_.watches;
  base::Nanos seconds = options_.watch_seconds + random_.below(std::max(options_.watch_seconds, 1));
  Request request;
  request.path =
      watch_path(options_.resource, options_.selection, version_, static_cast<int>(seconds));
  request.lane = Lane::kWatches;
  request.deadline = base::monotonic_now() + seconds * base::kSecond + kWatchGrace;
  open_ = client_.transport().open(std::move(request), std::make_shared<Watch>(shared_from_this()));
}

// False: nothing more is wanted from this watch; what follows is arranged.
bool ListWatch::event(ObjectText line) {
  auto event = reader_.event(line);
  if (!event.ok()) return garbage(event.error()), false;
  if (event->type == EventType::kError) {
    client_.transport().cancel(open_);
    watch_failed(failure_of_status(event->object.json));
    return false;
  }
  auto meta = reader_.meta(event->object);
  if (!meta.ok()) return garbage(meta.error()), false;
  if (meta->resource_version.empty())
    return garbage(base::fail(Code::kCorrupt, "an event without resourceVersion")), false;
  backoff_.reset();
  relist_backoff_.reset();
  fruitless_ = 0;
  version_ = meta->resource_version;
  if (event->type == EventType::kBookmark) return ++counts_.bookmarks, true;
  if (meta->name.empty())
    return garbage(base::fail(Code::kCorrupt, "an object without a name")), false;
  ++counts_.events;
  sink_->object(event->type, *meta, event->object);
  return true;
}

// Its time was over. A server that ends it at once is left alone for a while.
void ListWatch::watch_done(base::Nanos began) {
  bool early = base::monotonic_now() < began + base::kSecond;
  early ? later(backoff_.next(), &ListWatch::watch) : watch();
}

void ListWatch::watch_failed(const Failure& failure) {
  if (failure.expired()) {
    ++counts_.expired;
    sink_->trouble(failure);
    return relist_later();
  }
  // A cut watch is nothing to be told about; one that cannot begin is.
  if (backoff_.tried() != 0 || failure.http != 0) sink_->trouble(failure);
  if (failure.http == 401) client_.transport().renew_token();
  // After etcd came back from a backup our version may be one that will not be for long.
  if (failure.http != 0 && ++fruitless_ > kMostFruitless) {
    fruitless_ = 0;
    return relist_later();
  }
  later(std::max(backoff_.next(), failure.retry_after), &ListWatch::watch);
}

void ListWatch::garbage(const base::Error& error) {
  ++counts_.corrupt;
  client_.transport().cancel(open_);
  sink_->trouble(no_answer(error.code, options_.resource.plural + ": " + error.message, false));
  relist_later();
}

void ListWatch::relist_later() {
  base::Nanos pause = random_.below(options_.relist_jitter);
  if (relist_backoff_.tried() > 0)
    pause += relist_backoff_.next();
  else
    relist_backoff_.next();
  later(pause, &ListWatch::list);
}

}  // namespace flexai::kube
