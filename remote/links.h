// Links: connections from this worker to those of other hosts, and from them here, over which the
// bytes of one program's memory go straight from host to host. A link is one way, and TLS 1.3 with
// a key that the program gave to both ends over its two sessions (wire/shared_key.h): good once,
// for kKeyLife. On it each row of bytes shows a ticket of its own, which says at the target which
// object and range it is for; without one that the program has told there, the bytes are dropped.
//
// Whatever goes wrong, the program is told that the bytes have not gone (`sent`), and takes them
// itself. Nothing is tried again here.
// Threads: any; two threads a link. The callbacks of `sent`
// run on a link's thread, those of the landing on another. Memory: none of the bytes'.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "remote/link_letters.h"
#include "remote/runner.h"
#include "wire/transport.h"

namespace flexai::remote {

// Of a session whose worker knows links (features of wire/hello.h), and of its client.
inline constexpr uint64_t kLinkFeature = 1;

// Where bytes that come go. Both block.
struct LinkLanding {
  // The place of the bytes of a ticket, of exactly that size, for once; an error: there is none.
  std::function<base::Result<std::span<std::byte>>(const MoveTicket&, uint64_t size)> open;
  // After a place was given: they are all there, or not all of them will be. Returns when they
  // are the object's.
  std::function<base::Status(const MoveTicket&, bool there)> close;
};

class Links {
 public:
  static constexpr size_t kMostKeys = 64, kMostLinks = 32;
  static constexpr base::Nanos kKeyLife = 60 * base::kSecond;
  static constexpr base::Nanos kPatience = 5 * base::kSecond;  // for bytes that do not come or go
  static constexpr base::Nanos kAnswer = 10 * base::kSecond;   // for what a driver does with them

  explicit Links(base::Nanos key_life = kKeyLife) : key_life_(key_life) {}
  ~Links();
  Links(const Links&) = delete;
  Links& operator=(const Links&) = delete;

  // The target's side. A key that a worker of another host may show here, from now on.
  base::Status allow(const wire::SharedKey& key);
  std::optional<wire::SharedKey> key_named(const std::string& name);
  // The handshake on it has proved a key; the key is used with that. Takes bytes until it ends.
  base::Status take_in(std::unique_ptr<wire::Transport> transport);
  // Until this is called no bytes are taken. What it calls must outlive this.
  void land(LinkLanding landing);

  // The source's side. The handshake with the session `order` names, on a connected socket; the
  // link is known by the name of its key from then on.
  base::Status open(base::Fd socket, const LinkOrder& order, base::Nanos deadline);
  // Sends in the order of the calls. The bytes stay until `sent` was called, once: they are the
  // object's there, or why not.
  using Sent = std::function<void(const base::Status&)>;
  void send(const std::string& link, const MoveTicket& ticket, wire::Bytes bytes, Sent sent);

  // Nothing goes or comes any more; for good.
  void cut();

 private:
  struct In {
    std::unique_ptr<wire::Transport> transport;
    std::thread thread;
    Runner closer;
    bool over = false;
  };
  struct Out;
  struct Key {
    wire::SharedKey key;
    base::Nanos until;
  };
  void serve(In& in);
  static void say(In& in, std::byte answer);
  base::Status serve_one(In& in);
  void forget_old() FLEXAI_REQUIRES(mutex_);

  const base::Nanos key_life_;
  base::Mutex mutex_;
  bool cut_ FLEXAI_GUARDED_BY(mutex_) = false;
  std::optional<LinkLanding> landing_ FLEXAI_GUARDED_BY(mutex_);
  std::map<std::string, Key> keys_ FLEXAI_GUARDED_BY(mutex_);
  std::list<In> in_ FLEXAI_GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<Out>> out_ FLEXAI_GUARDED_BY(mutex_);
};

}  // namespace flexai::remote
