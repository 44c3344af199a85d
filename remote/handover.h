// Handover: a session goes on at the worker of another host. Three talks, none of which knows an
// API:
//   - the agent and the worker that gives the session up, over a socket pair (SOCK_SEQPACKET) that
//     comes with the order: kPlace and a connected socket; kReady when all has arrived there;
//     kCommit, after which the session never goes on here. Its end before that: it stays here.
//   - that worker and the new one, over TLS with the client's new certificate: a ticket that is
//     good once, then parts; the new one answers some of them.
//   - either worker and the client: wire/session.h, pass_on() and adopt().
// The client alone decides that the session has moved: it comes to the new worker only when the old
// one has sent it there, for good. So no message is worked on twice, whoever dies when.
// Format: docs/formats/remote.md. Threads: any. Everything that is received is hostile.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "remote/appointment.h"
#include "wire/transport.h"

namespace flexai::remote {

// Where a session goes.
struct Place {
  Introduction introduction;  // the client's there
  Ticket ticket{};
};
base::Status encode(const Place& place, wire::Writer& writer);
base::Result<Place> decode_place(wire::Bytes bytes);

enum class MoveWord : uint8_t { kPlace = 1, kReady = 2, kCommit = 3, kLink = 4 };

struct MoveMessage {
  MoveWord word{};
  std::vector<std::byte> body;
  base::Fd socket;
};
base::Status send_move(int channel, MoveWord word, wire::Bytes body = {}, int socket = -1);
// kUnavailable: the other end has gone. kTimeout. kCorrupt: another word, or too long.
base::Result<MoveMessage> receive_move(int channel, MoveWord word, base::Nanos deadline);

// A part of what goes along: u32 tag, u64 size, the bytes. Each has kPartPatience while it makes
// progress.
enum class PartTag : uint32_t { kBeforehand = 1, kSession = 2, kObjects = 3, kAnswer = 4 };
inline constexpr base::Nanos kPartPatience = 20 * base::kSecond;

base::Status send_part(wire::Transport& to, PartTag tag, wire::Bytes bytes);
base::Result<std::vector<std::byte>> receive_part(wire::Transport& from, PartTag tag, size_t most,
                                                  base::Nanos deadline);
// Bytes without a head: what was announced before. In pieces, so that slow is not late.
base::Status send_contents(wire::Transport& to, wire::Bytes bytes);
base::Status receive_contents(wire::Transport& from, std::span<std::byte> into);
// What became of it there, an error as it was said.
base::Status send_answer(wire::Transport& to, const base::Status& answer);
base::Status receive_answer(wire::Transport& from, base::Nanos deadline);

}  // namespace flexai::remote
