// Client: a session of this process with a worker, made at the first call that needs it, never
// destroyed (programs call OpenCL from exit handlers). A program on the cards of several hosts has
// one for each, in the order in which it was given them. Threads: any. When the worker is gone
// every call answers CL_DEVICE_NOT_AVAILABLE, releases and what is known here excepted.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/mutex.h"
#include "remote/caller.h"
#include "remote/opencl/client/connection.h"
#include "remote/opencl/client/event.h"
#include "remote/runner.h"
#include "wire/bulk.h"
#include "wire/fork_guard.h"

namespace flexai::remote::opencl {

inline constexpr cl_int kGone = CL_DEVICE_NOT_AVAILABLE;

class Client {
 public:
  static const std::vector<Client*>& all();
  static Client& get() { return *all().front(); }
  // Whose worker has the object; null: the first.
  static Client& of(const Object& object) {
    return object.client == nullptr ? get() : *object.client;
  }
  static Client& of(const Object* object) { return object == nullptr ? get() : of(*object); }
  // Connects to all; false: one was not there, and the others are let go.
  static bool all_there();

  Caller* caller();  // connects at the first call; null: there is no session
  wire::Bulk* bulk() { return bulk_.get(); }
  IdSource& ids() { return ids_; }
  Platform* platform() { return &platform_; }
  const std::vector<Device*>& devices();  // the cards, asked once
  // The worker, or this is a forked child: nothing of the session may be touched there.
  bool gone() const { return gone_.load(std::memory_order_acquire) || in_child(); }
  // A forked child: another thread of its parent may have held any lock of this when it was forked.
  bool in_child() const { return fork_.in_child(); }

  // Every call is asked.
  bool strict() const { return strict_; }

  // A call found the session ended: says why, once, and remembers it.
  void lost(const base::Error& why);

  // An event whose command is sent next; held until its end arrives.
  void expect(Event* event);
  void forget(Event* event);  // its command was refused
  // Until the event has ended; kGone when the session has.
  cl_int await(const Event& event);
  cl_int await(const std::function<bool()>& ready);

  // The addresses of objects that a kernel's argument may name.
  void add_argument(const Object* object);
  void remove_argument(const Object* object);
  const Object* argument_at(uint64_t value);

  // Whom a context's program wants told of errors in it: what the driver says, and the end of the
  // session. Calls come on the thread of callbacks.
  using ContextNotify = void(CL_CALLBACK*)(const char*, const void*, size_t, void*);
  void add_listener(ObjectId context, ContextNotify notify, void* user_data);
  void remove_listener(ObjectId context);

  // A callback waits for what comes. With one worker the program itself soon waits for it too.
  void watch() {
    if (all().size() > 1 && connected_.load(std::memory_order_acquire) && !in_child())
      caller_->session().watch();
  }
  void call_back(std::function<void()> call) {
    if (!in_child()) callbacks_.post(std::move(call));
  }
  // To be dropped by a later call, because here nothing may be sent.
  void drop_later(Object* object);
  void drop_waiting();

  // Bytes of buffers that may be made without asking.
  bool take_grant(size_t bytes);
  void give_grant(size_t bytes);

  void say(const std::string& line);
  std::string named(const char* what) const;  // with the host, where there are several
  std::string host() const;                   // "" where there is one
  const std::string& worker() const { return worker_; }
  std::string place() const { return whereabouts_->endpoint(); }  // of the worker, now

 private:
  explicit Client(std::string worker);
  void leave();
  base::Status connect() FLEXAI_REQUIRES(mutex_);
  cl_int ask_devices(const std::vector<ObjectId>& ids, cl_uint* count);
  void on_push(uint32_t kind, wire::Bytes body);
  void on_completions(wire::Bytes body);
  void on_read(wire::Bytes body);
  void on_printed(wire::Bytes body);
  void on_context_news(wire::Bytes body);
  void on_moved(wire::Bytes body);
  void on_end(const base::Error& why);
  Event* pending(ObjectId id, bool take);

  const wire::ForkGuard fork_;
  const std::string worker_;
  const std::shared_ptr<Whereabouts> whereabouts_ = std::make_shared<Whereabouts>();
  Platform platform_;
  IdSource ids_{kMostObjects};
  base::Mutex mutex_;
  bool tried_ FLEXAI_GUARDED_BY(mutex_) = false;
  std::unique_ptr<Caller> caller_;  // fixed once connected_
  std::unique_ptr<wire::Bulk> bulk_;
  bool strict_ = false;
  std::vector<Device*> devices_;
  std::atomic<bool> connected_{false}, gone_{false}, said_gone_{false}, devices_known_{false};
  std::atomic<bool> drops_wait_{false};
  std::atomic<int64_t> grant_{0};
  base::Mutex events_mutex_;
  std::unordered_map<ObjectId, Event*> events_ FLEXAI_GUARDED_BY(events_mutex_);
  base::Mutex arguments_mutex_;
  std::unordered_set<const Object*> arguments_ FLEXAI_GUARDED_BY(arguments_mutex_);
  struct Listener {
    ContextNotify notify;
    void* user_data;
  };
  void tell(const Listener& listener, std::string text, wire::Bytes more);
  base::Mutex listeners_mutex_;
  std::unordered_map<ObjectId, Listener> listeners_ FLEXAI_GUARDED_BY(listeners_mutex_);
  base::Mutex drops_mutex_;
  std::vector<Object*> drops_ FLEXAI_GUARDED_BY(drops_mutex_);
  Runner callbacks_;
};

}  // namespace flexai::remote::opencl
