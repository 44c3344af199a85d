// Worker: one session's objects and its driver. Serves the calls of a client until the session
// ends. Threads: one call at a time, on one of the dispatcher's; the driver's own threads report
// that commands ended. No call waits for a command: that would keep every other one waiting; nor
// for a build (long_calls.h).
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "driver/opencl/table.h"
#include "remote/deferred_errors.h"
#include "remote/dispatcher.h"
#include "remote/handle_map.h"
#include "remote/opencl/kind.h"
#include "remote/opencl/landing.h"
#include "remote/opencl/push.h"
#include "remote/opencl/worker/argument.h"
#include "remote/opencl/worker/hold.h"
#include "remote/opencl/worker/incoming.h"
#include "remote/opencl/worker/landings.h"
#include "remote/opencl/worker/mapping.h"
#include "remote/opencl/worker/printed.h"
#include "remote/opencl/worker/recordings.h"
#include "remote/opencl/worker/splits.h"
#include "remote/opencl/worker/staging.h"
#include "remote/opencl/worker/watches.h"
#include "remote/runner.h"
#include "wire/bulk.h"

namespace flexai::remote::opencl {

// What the worker may show of its driver.
struct Granted {
  Table table;
  cl_platform_id platform = nullptr;
  std::vector<cl_device_id> devices;
};

// Of a command queue.
struct QueueEnd {
  bool ordered = false;
  cl_event last = nullptr;
};

class Worker;

// What a driver knows of the client's context that it speaks of; stays when the context has gone.
struct ContextListener {
  std::atomic<Worker*> worker{nullptr};  // null: nobody is to be told yet
  std::atomic<ObjectId> context{0};
};

// A context whose news go to `listener`; `properties` without the platform and without an end.
cl_context make_context(const Granted& granted, std::vector<cl_context_properties> properties,
                        const std::vector<cl_device_id>& devices, ContextListener* listener,
                        cl_int& code);

class Worker {
 public:
  // `session` outlives it.
  static base::Result<std::unique_ptr<Worker>> make(wire::Session& session, Granted granted);
  ~Worker();

  // What kernels print goes to the client from now on: this process is the worker's alone.
  base::Status take_output();
  // Until the session has ended, whose reason it returns.
  base::Status run();
  // After that: overwrites what the session leaves on cards, see scrub.h. May take for ever; then
  // the process is to end.
  void leave();

  const Table& table() const { return granted_.table; }
  const Granted& granted() const { return granted_; }
  HandleMap& handles() { return handles_; }
  Dispatcher& dispatcher() { return *dispatcher_; }
  wire::Bulk& bulk() { return *bulk_; }
  void broke(base::Status why) { broken_ = std::move(why); }
  wire::Session& session() { return session_; }
  void release(Kind kind, void* object);
  void retain(Kind kind, void* object);

  Watches& watches() { return watches_; }
  // The client knows the event by `id` and is told when it has completed.
  void keep_event(ObjectId id, cl_event event);
  void keep_event(ObjectId id, cl_event event, Watches::Then then);  // `then` tells it
  void fail_event(ObjectId id, cl_int code);
  void carry_printed();  // before the end of a command is told
  // When a command was queued, submitted, began and ended, where the driver keeps that; from one
  // command's beginning to another's end.
  using Times = std::array<uint64_t, 4>;
  Times times_of(cl_event first, cl_event last) const;
  void completed(ObjectId id, cl_int status, const Times& times = {});
  // Sends what a command read, then that it completed. Takes large data over as bulk.
  void send_read(ObjectId event, const Staging& data, cl_int status, const Times& times);
  // The bytes of a call's argument; without memory when they did not come.
  Staging take(const Data& data);
  Runner& sender() { return sender_; }      // waits for bulk data to go
  Runner& receiver() { return receiver_; }  // and to come

  // The command at the end of a queue that keeps order: when that has ended, all before it have,
  // and clFinish needs no command of its own. put_last() takes a reference, take_last() gives it;
  // null: not known.
  void put_last(ObjectId queue, cl_event event);
  cl_event take_last(ObjectId queue);
  void forget_lasts();
  void forget_queue(ObjectId queue);

  // One for each index an id of a context may have.
  ContextListener& listener(ObjectId context);
  // Of contexts that were made before the worker.
  void take_listeners(std::unordered_map<uint32_t, ContextListener>& listeners);
  void context_news(ObjectId context, std::string_view text, wire::Bytes more);
  void failed_later(ObjectId queue, uint16_t entry, cl_int code);
  DeferredErrors& deferred() { return deferred_; }
  Recordings& recordings() { return recordings_; }
  Splits& splits() { return splits_; }
  std::unordered_map<ObjectId, Mapping>& mappings() { return mappings_; }

  // What arguments of kernels were set to last, by kernel and index.
  std::unordered_map<ObjectId, KernelArguments>& arguments() { return arguments_; }
  void cloned(ObjectId kernel, ObjectId clone);
  // The last reference of the client's is gone.
  void gone(ObjectId id, Kind kind);
  Hold& hold() { return hold_; }  // of the calls

  // Bytes that go straight to other hosts and come from there; null: this session's do not.
  void take_links(Links& links);
  Links* links() { return links_; }
  Landings& landings() { return landings_; }

 private:
  Worker(wire::Session& session, Granted granted);

  wire::Session& session_;
  Granted granted_;  // fixed once made
  HandleMap handles_{kMostObjects};
  Splits splits_;
  DeferredErrors deferred_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<wire::Bulk> bulk_;
  std::unordered_map<ObjectId, Mapping> mappings_;
  std::unordered_map<ObjectId, KernelArguments> arguments_;
  Hold hold_;
  std::unordered_map<ObjectId, QueueEnd> ends_;
  std::unordered_map<uint32_t, ContextListener> listeners_;
  base::Status broken_;
  uint64_t calls_ = 0;
  std::unique_ptr<Printed> printed_;
  Watches watches_{granted_.table, [this] { dispatcher_->flush(); }};
  Recordings recordings_{*this};
  Landings landings_;
  Links* links_ = nullptr;
  Runner sender_, receiver_;  // last: their tasks use the others
};

}  // namespace flexai::remote::opencl
