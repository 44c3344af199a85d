// Reflector: keeps a Store of projections of all objects of a resource, and tells what changes. The
// projection reads what it wants out of the object's text and runs on the client's thread; the text
// is not kept. Store and handlers belong to the user's loop. What a handler is told is what the
// store holds; an object that was deleted and made again between two looks is told as both.
// Memory: the projections, and at most a stream window (1 MiB) of changes the loop has not taken.
// Threads: made, used and destroyed on the thread of `loop` (or before it runs). Lifetime: client
// and loop outlive it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/loop.h"
#include "base/mutex.h"
#include "kube/list_watch.h"
#include "kube/store.h"

namespace flexai::kube {

template <typename T>
struct ReflectorHandlers {
  std::function<void(const std::string& key, const T& now)> added;
  std::function<void(const std::string& key, const T& before, const T& now)> updated;
  std::function<void(const std::string& key, const T& last)> deleted;
  std::function<void()> synced;  // after every whole list
  std::function<void(const Failure&)> trouble;
};

template <typename T>
class Reflector {
 public:
  // An object that is not wanted (nullopt) counts as gone. An error is told as trouble, and what
  // was known of the object stays. Pure but for what it captures; on the client's thread.
  using Project = std::function<base::Result<std::optional<T>>(const Meta&, ObjectText)>;
  using Handlers = ReflectorHandlers<T>;

  Reflector(Client& client, base::Loop& loop, ListWatchOptions options, Project project,
            Handlers handlers)
      : state_(std::make_shared<State>(loop, std::move(project), std::move(handlers))),
        watch_(ListWatch::make(client, std::move(options), state_)) {
    watch_->start();
  }
  ~Reflector() {
    state_->alive = false;
    watch_->stop();
  }
  Reflector(const Reflector&) = delete;
  Reflector& operator=(const Reflector&) = delete;

  // What others have written before this call is known when synced() is true again; it is not until
  // then.
  void list_anew() {
    state_->synced = false;
    ++state_->asked;
    watch_->list_anew();
  }

  const Store<T>& store() const { return state_->store; }
  bool synced() const { return state_->synced; }
  const ListWatchCounts& counts() const { return watch_->counts(); }

 private:
  struct Change {
    enum class What { kListBegins, kListEnds, kObject, kTrouble } what;
    bool gone = false;
    std::string key, resource_version;
    uint64_t uid = 0;
    std::optional<T> value;
    Failure failure;
    uint64_t asked = 0;  // kListBegins: it knows what was written before so many questions
  };
  using Batch = std::vector<Change>;

  struct State final : ChangeSink, std::enable_shared_from_this<State> {
    State(base::Loop& loop, Project project, Handlers handlers)
        : loop(loop), project(std::move(project)), handlers(std::move(handlers)) {}

    // On the client's thread.
    void list_begins() override {
      Change change{Change::What::kListBegins};
      change.asked = asked;
      batch.push_back(std::move(change));
    }
    void list_ends() override { batch.push_back({Change::What::kListEnds}); }
    void trouble(const Failure& failure) override {
      batch.push_back({Change::What::kTrouble, false, "", "", 0, std::nullopt, failure});
      deliver(nullptr);
    }
    void object(EventType type, const Meta& meta, ObjectText text) override {
      Change change{Change::What::kObject};
      change.key = key_of(meta.ns, meta.name);
      change.resource_version = meta.resource_version;
      change.uid = std::hash<std::string_view>()(meta.uid);
      change.gone = type == EventType::kDeleted;
      if (!change.gone) {
        auto made = project(meta, text);
        if (!made.ok())
          return trouble(
              no_answer(made.error().code, change.key + ": " + made.error().message, false));
        change.value = std::move(*made);
        change.gone = !change.value.has_value();
      }
      batch.push_back(std::move(change));
    }
    void deliver(std::function<void()> taken) override {
      {
        base::MutexLock lock(mutex);
        waiting.emplace_back(std::exchange(batch, {}), std::move(taken));
        if (std::exchange(posted, true)) return;
      }
      loop.post([self = this->shared_from_this()] { self->take(); });
    }

    // On the loop.
    void take() {
      std::vector<std::pair<Batch, std::function<void()>>> taking;
      {
        base::MutexLock lock(mutex);
        taking.swap(waiting);
        posted = false;
      }
      for (auto& [changes, taken] : taking) {
        for (Change& change : changes) {
          if (!alive) return;  // a handler may destroy the reflector
          apply(change);
        }
        if (alive && taken) taken();
      }
    }
    void apply(Change& change) {
      switch (change.what) {
        case Change::What::kListBegins:
          ++list;
          answers = change.asked;
          return;
        case Change::What::kListEnds:
          return sweep();
        case Change::What::kTrouble:
          if (handlers.trouble) handlers.trouble(change.failure);
          return;
        case Change::What::kObject:
          break;
      }
      auto it = store.entries().find(change.key);
      const bool known = it != store.entries().end();
      if (known && (change.gone || it->second.uid != change.uid)) remove(it);
      if (change.gone) return;
      if (known && it != store.entries().end() && it->second.uid == change.uid)
        update(it, change);
      else
        add(change);
    }
    void add(Change& change) {
      auto [it, fresh] = store.entries().insert_or_assign(
          std::move(change.key),
          typename Store<T>::Entry{std::move(change.resource_version), change.uid, list,
                                   std::move(*change.value)});
      if (handlers.added) handlers.added(it->first, it->second.value);
    }
    void update(typename Store<T>::Map::iterator it, Change& change) {
      it->second.listed = list;
      if (it->second.resource_version == change.resource_version) return;  // a list repeats it
      it->second.resource_version = std::move(change.resource_version);
      T before = std::exchange(it->second.value, std::move(*change.value));
      if (handlers.updated) handlers.updated(it->first, before, it->second.value);
    }
    void remove(typename Store<T>::Map::iterator& it) {
      auto node = store.entries().extract(it);
      it = store.entries().end();
      if (handlers.deleted) handlers.deleted(node.key(), node.mapped().value);
    }
    void sweep() {
      for (auto it = store.entries().begin(); it != store.entries().end();) {
        auto here = it++;
        if (here->second.listed != list) remove(here);
        if (!alive) return;
      }
      if (answers != asked) return;  // another list is under way
      synced = true;
      if (handlers.synced) handlers.synced();
    }

    base::Loop& loop;
    const Project project;
    const Handlers handlers;
    std::atomic<uint64_t> asked{0};  // lists, by list_anew()
    Batch batch;                     // the client's thread
    base::Mutex mutex;
    std::vector<std::pair<Batch, std::function<void()>>> waiting FLEXAI_GUARDED_BY(mutex);
    bool posted FLEXAI_GUARDED_BY(mutex) = false;
    // The loop's thread, from here.
    Store<T> store;
    uint64_t list = 0, answers = 0;
    bool synced = false, alive = true;
  };

  const std::shared_ptr<State> state_;
  const std::shared_ptr<ListWatch> watch_;
};

}  // namespace flexai::kube
