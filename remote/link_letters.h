// What is said to make a link, over which a worker sends bytes straight to one of another host
// (links.h), and on it. Format: docs/formats/remote.md. Values and pure functions; what is decoded
// is hostile. Threads: any.
#pragma once

#include <array>
#include <string>

#include "base/result.h"
#include "wire/codec.h"
#include "wire/shared_key.h"

namespace flexai::remote {

// Of the program to the door of the source's host, beside the one at which it knocks (knock.h).
struct LinkRequest {
  std::string session;   // the source's, by its name there
  std::string endpoint;  // the target's, with the name of its session: "tls:HOST:PORT/NAME"
  wire::SharedKey key{};
};
base::Status encode(const LinkRequest& request, wire::Writer& writer);
base::Result<LinkRequest> decode_link_request(wire::Bytes bytes);
inline constexpr size_t kMostLinkRequest = 1024;

// Of the source's agent to its worker, with a socket that is connected to the target's port.
struct LinkOrder {
  std::string name;  // of the target's session, to be asked for in the TLS hello
  wire::SharedKey key{};
};
base::Status encode(const LinkOrder& order, wire::Writer& writer);
base::Result<LinkOrder> decode_link_order(wire::Bytes bytes);

// Good once, for one range of one object; all zero: none.
using MoveTicket = std::array<std::byte, 32>;

// On the link: this and then `size` bytes. One byte answers: kTaken when they are the object's.
struct MoveHead {
  MoveTicket ticket{};
  uint64_t size = 0;
};
inline constexpr size_t kMoveHead = 44;
inline constexpr uint64_t kMostMove = 64u << 20;
inline constexpr std::byte kTaken{1}, kNotTaken{0};
std::array<std::byte, kMoveHead> encode(const MoveHead& head);
base::Result<MoveHead> decode_move_head(wire::Bytes bytes);

}  // namespace flexai::remote
