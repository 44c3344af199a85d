// ListWatch: the objects of a resource, and then every change of them, for as long as it lives.
// Lists in pages, watches from the list's version, resumes a watch that ended, was cut or refused
// from the last version it saw (bookmarks included), and lists again when that version is gone
// (410), at a random moment so that many clients do not do it together. Nothing is missed and
// nothing comes twice or out of order, but that a list may repeat what is known. Source: "Efficient
// detection of changes", Kubernetes API concepts. Threads: start() and stop() from any; the sink is
// called on the client's thread. Lifetime: held by a shared pointer; the client outlives its
// stop().
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "kube/client.h"
#include "kube/object_meta.h"
#include "kube/packed.h"
#include "kube/split.h"

namespace flexai::kube {

class ChangeSink {
 public:
  virtual ~ChangeSink() = default;
  virtual void list_begins() = 0;  // also when an unfinished list begins anew
  virtual void object(EventType type, const Meta& meta, ObjectText object) = 0;  // kAdded in lists
  virtual void list_ends() = 0;  // what was not in it is gone
  // Hand on what has come. The server sends only so much more before `taken` is called, from any
  // thread; may be empty.
  virtual void deliver(std::function<void()> taken) = 0;
  virtual void trouble(const Failure& failure) = 0;  // it goes on by itself
};

struct ListWatchOptions {
  Resource resource;
  ListOptions selection;
  // Lists come packed, where the server can do that, and of each object only this is told.
  const Shape* shape = nullptr;
  int page = 2000;
  int watch_seconds = 300;  // at least; up to twice as long
  SplitLimits limits;
  base::Nanos first_backoff = 50 * base::kMillisecond;
  base::Nanos most_backoff = 10 * base::kSecond;
  base::Nanos relist_jitter = base::kSecond;  // doubled for every list that helped nothing
};

// For metrics and tests.
struct ListWatchCounts {
  std::atomic<uint64_t> lists{0}, watches{0}, events{0}, bookmarks{0}, expired{0}, corrupt{0};
};

class ListWatch : public std::enable_shared_from_this<ListWatch> {
 public:
  static std::shared_ptr<ListWatch> make(Client& client, ListWatchOptions options,
                                         std::shared_ptr<ChangeSink> sink);
  void start();
  void stop();  // the sink is not called any more once the client's thread has seen it
  // Lists once more, from now: a watch may be behind what others have written already. Any thread.
  void list_anew();
  const ListWatchCounts& counts() const { return counts_; }

 private:
  class Page;
  class Watch;

  ListWatch(Client& client, ListWatchOptions options, std::shared_ptr<ChangeSink> sink);
  void list();
  void next_page();
  void page_done(base::Result<ListEnvelope> envelope);
  void page_failed(const Failure& failure);
  void watch();
  bool event(ObjectText line);
  void watch_done(base::Nanos began);
  void watch_failed(const Failure& failure);
  void garbage(const base::Error& error);
  void relist_later();
  void later(base::Nanos pause, void (ListWatch::*what)());
  std::function<void()> taken(size_t bytes);

  Client& client_;
  const ListWatchOptions options_;
  const std::shared_ptr<ChangeSink> sink_;
  ListWatchCounts counts_;
  std::atomic<bool> stopped_{false};
  // On the client's thread only, from here.
  ObjectReader reader_;
  Unpacker unpacker_;
  Random random_;
  Backoff backoff_, relist_backoff_;
  Transport::Id open_ = 0;
  uint64_t turn_ = 0;  // what was put off in an earlier one is not done any more
  std::string version_;
  std::string continue_;
  int expired_lists_ = 0, fruitless_ = 0;
};

}  // namespace flexai::kube
