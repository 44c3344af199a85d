#include "wire/session_state.h"

#include <algorithm>

#include "wire/frame.h"
#include "wire/outbox.h"

namespace flexai::wire {

using base::Code;
using base::fail;

namespace {

constexpr uint16_t kVersion = 1;
constexpr uint16_t kMostLanes = 256;
constexpr uint32_t kLeastWindow = 256u << 10, kMostWindow = 1u << 30;
constexpr size_t kMostFrames = kMostWindow / kFrameCost;

std::vector<std::byte> copy_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

template <size_t kSize>
void read_array(Reader& reader, const char* field, std::array<std::byte, kSize>& into) {
  const Bytes bytes = reader.raw(field, kSize);
  if (bytes.size() == kSize) std::copy(bytes.begin(), bytes.end(), into.begin());
}

// No more items than could be there, `least` bytes each.
size_t read_items(Reader& reader, const char* field, size_t most, size_t least) {
  const uint32_t count = reader.u32(field);
  if (count > most || count > reader.left() / least) reader.refuse(field, "are too many");
  return reader.ok() ? count : 0;
}

void write_lane(const LaneState& lane, Writer& writer) {
  writer.u16(lane.id);
  for (uint64_t number : {lane.sent, lane.credit, lane.arrived, lane.read, lane.granted})
    writer.u64(number);
  writer.u32(static_cast<uint32_t>(lane.unread.size()));
  for (const auto& payload : lane.unread) writer.blob(payload);
  writer.u32(lane.batched);
  writer.blob(lane.batch);
}

LaneState read_lane(Reader& reader) {
  LaneState lane;
  lane.id = reader.u16("lane");
  lane.sent = reader.u64("sent");
  lane.credit = reader.u64("credit");
  lane.arrived = reader.u64("arrived");
  lane.read = reader.u64("read");
  lane.granted = reader.u64("granted");
  const size_t frames = read_items(reader, "unread frames", kMostFrames, 4);
  uint64_t unread = 0;
  for (size_t i = 0; i < frames && reader.ok(); ++i) {
    lane.unread.push_back(copy_of(reader.blob("unread frame", kMaxData)));
    unread += frame_cost(lane.unread.back().size());
  }
  lane.batched = reader.u32("batched");
  lane.batch = copy_of(reader.blob("batch", kMostWindow));
  if (lane.arrived < lane.read || lane.arrived - lane.read != unread)
    reader.refuse("unread frames", "are others than are counted");
  if (lane.granted < lane.arrived) reader.refuse("granted", "is less than arrived");
  return lane;
}

void read_windows(Reader& reader, SessionState& state) {
  for (uint32_t* size :
       {&state.window, &state.lane_window, &state.peer_window, &state.peer_lane_window}) {
    *size = reader.u32("window");
    if (*size < kLeastWindow || *size > kMostWindow) reader.refuse("window", "has no such size");
  }
}

void read_outbox(Reader& reader, SessionState& state) {
  const size_t frames = read_items(reader, "sent frames", kMostFrames, 6);
  size_t held = 0;
  for (size_t i = 0; i < frames && reader.ok(); ++i) {
    SentFrame frame;
    frame.lane = reader.u16("lane of a frame");
    frame.payload = copy_of(reader.blob("sent frame", kMaxData));
    if (frame.lane >= state.lanes) reader.refuse("lane of a frame", "is not there");
    held += frame_cost(frame.payload.size());
    state.outbox.push_back(std::move(frame));
  }
  if (held > state.window) reader.refuse("sent frames", "are more than the window");
}

void read_lanes(Reader& reader, SessionState& state) {
  const size_t lanes = read_items(reader, "lanes", state.lanes, 50);
  size_t unread = 0;
  for (size_t i = 0; i < lanes && reader.ok(); ++i) {
    state.lane.push_back(read_lane(reader));
    const LaneState& lane = state.lane.back();
    unread += lane.unread.size();
    const bool fresh = i == 0 || lane.id > state.lane[i - 1].id;
    if (lane.id >= state.lanes || !fresh) reader.refuse("lane", "is out of its order");
  }
  const uint8_t any = reader.u8("arrivals");
  if (any > 1) reader.refuse("arrivals", "are neither there nor not");
  state.any = any == 1;
  const size_t arrivals = read_items(reader, "arrivals", state.any ? unread : 0, 2);
  for (size_t i = 0; i < arrivals && reader.ok(); ++i)
    state.arrivals.push_back(reader.u16("arrival"));
  if (state.any && arrivals != unread)
    reader.refuse("arrivals", "are others than the unread frames");
}

base::Status check_arrivals(const SessionState& state) {
  if (!state.any) return {};
  std::vector<size_t> seen(state.lanes);
  for (uint16_t lane : state.arrivals) {
    if (lane >= state.lanes) return fail(Code::kCorrupt, "session state: an arrival on no lane");
    ++seen[lane];
  }
  for (const LaneState& lane : state.lane)
    if (seen[lane.id] != lane.unread.size())
      return fail(Code::kCorrupt, "session state: arrivals are others than the unread frames");
  return {};
}

}  // namespace

base::Status encode(const SessionState& state, Writer& writer) {
  writer.u16(kVersion);
  writer.raw(state.id);
  writer.raw(state.key);
  writer.u32(state.epoch);
  writer.u64(state.features);
  writer.u32(state.grace_ms);
  writer.u16(state.lanes);
  for (uint32_t size : {state.window, state.lane_window, state.peer_window, state.peer_lane_window})
    writer.u32(size);
  writer.u64(state.received);
  writer.u64(state.acknowledged);
  writer.u32(static_cast<uint32_t>(state.outbox.size()));
  for (const SentFrame& frame : state.outbox) {
    writer.u16(frame.lane);
    writer.blob(frame.payload);
  }
  writer.u32(static_cast<uint32_t>(state.lane.size()));
  for (const LaneState& lane : state.lane) write_lane(lane, writer);
  writer.u8(state.any ? 1 : 0);
  writer.u32(static_cast<uint32_t>(state.arrivals.size()));
  for (uint16_t lane : state.arrivals) writer.u16(lane);
  if (!writer.ok() || writer.bytes().size() > kMostState)
    return fail(Code::kExhausted, "what the session has under way is too much to hand on");
  return {};
}

base::Result<SessionState> decode_session_state(Bytes bytes) {
  Reader reader(bytes);
  SessionState state;
  if (reader.u16("version") != kVersion) reader.refuse("version", "is not known here");
  read_array(reader, "session", state.id);
  read_array(reader, "key", state.key);
  state.epoch = reader.u32("epoch");
  state.features = reader.u64("features");
  state.grace_ms = reader.u32("grace");
  state.lanes = reader.u16("lanes");
  if (is_none(state.id)) reader.refuse("session", "is none");
  if (state.lanes == 0 || state.lanes > kMostLanes) reader.refuse("lanes", "is no such number");
  read_windows(reader, state);
  state.received = reader.u64("received");
  state.acknowledged = reader.u64("acknowledged");
  read_outbox(reader, state);
  read_lanes(reader, state);
  FLEXAI_TRY(reader.finish().with_context("session state"));
  FLEXAI_TRY(check_arrivals(state));
  return state;
}

}  // namespace flexai::wire
