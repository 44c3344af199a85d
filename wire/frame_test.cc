// docs/formats/wire.md is true: every example there is made and read, and offsets are the
// compiler's.
#include <gtest/gtest.h>

#include <cstddef>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <sstream>

#include "wire/frame.h"
#include "wire/hello.h"
#include "wire/inbox.h"
#include "wire/notes.h"
#include "wire/shm_layout.h"

namespace flexai::wire {
namespace {

std::string page() {
  std::ifstream in(FLEXAI_WIRE_PAGE);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::byte> unhex(const std::string& text) {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

struct Example {
  std::string kind;
  std::vector<std::byte> bytes;
  std::string rest;
  uint64_t number(const std::string& name) const {
    std::smatch match;
    EXPECT_TRUE(std::regex_search(rest, match, std::regex("\\b" + name + " (\\d+)"))) << name;
    return match.empty() ? 0 : std::stoull(match[1]);
  }
  std::string last(const std::string& name) const {
    size_t at = rest.find(name + " ");
    return at == std::string::npos ? "" : rest.substr(at + name.size() + 1);
  }
};

std::vector<Example> examples(const std::string& kind) {
  std::vector<Example> found;
  std::istringstream lines(page());
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, std::regex("(\\w+) ([0-9a-f]{16,})( .*)?")) &&
        match[1] == kind)
      found.push_back({match[1], unhex(match[2]), match[3]});
  }
  return found;
}

Version version() { return {1, 0, std::vector<std::byte>(4, std::byte{0xab}), "0.1.0"}; }

template <typename Array>
void count_up(Array& array, int from) {
  for (size_t i = 0; i < array.size(); ++i)
    array[i] = static_cast<std::byte>(from + static_cast<int>(i));
}

std::vector<std::byte> lines(const char* text) {
  Bytes bytes = bytes_of(text);
  return {bytes.begin(), bytes.end()};
}

template <typename Record>
void expect_bytes(const Record& record, const Example& example) {
  Writer writer;
  encode(record, writer);
  EXPECT_EQ(text_of(writer.bytes()), text_of(Bytes(example.bytes)));
}

TEST(WirePage, Frames) {
  auto found = examples("frame");
  ASSERT_EQ(found.size(), 2u);
  for (const Example& example : found) {
    ASSERT_EQ(example.bytes.size(), kHeaderBytes);
    std::span<const std::byte, kHeaderBytes> bytes(example.bytes.data(), kHeaderBytes);
    auto header = decode_header(bytes);
    ASSERT_TRUE(header.ok()) << header.error().message;
    FrameHeader said{static_cast<FrameType>(example.number("type")),
                     static_cast<uint8_t>(example.number("flags")),
                     static_cast<uint16_t>(example.number("lane")),
                     static_cast<uint32_t>(example.number("length")),
                     static_cast<uint32_t>(example.number("check")),
                     example.number("seq"),
                     example.number("ack")};
    EXPECT_TRUE(*header == said);
    if (said.flags == kChecked) {
      EXPECT_EQ(frame_check(said, examples("message")[0].bytes), said.check);
    }
  }
}

TEST(WirePage, Messages) {
  auto found = examples("message");
  ASSERT_EQ(found.size(), 1u);
  size_t at = 0;
  auto message = next_record(found[0].bytes, at);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->tag, found[0].number("tag"));
  EXPECT_EQ(text_of(message->body), found[0].last("text"));
  EXPECT_EQ(at, found[0].bytes.size());
}

TEST(WirePage, Greetings) {
  Hello hello;
  hello.version = version();
  hello.features = examples("hello")[0].number("features");
  count_up(hello.session, 1);
  count_up(hello.key, 0x40);
  hello.epoch = static_cast<uint32_t>(examples("hello")[0].number("epoch"));
  hello.received = examples("hello")[0].number("received");
  hello.window = 2u << 20;
  hello.lane_window = 512u << 10;
  hello.lease = lines("lease");
  expect_bytes(hello, examples("hello")[0]);
  EXPECT_TRUE(decode_hello(examples("hello")[0].bytes).ok());

  Welcome welcome;
  const Example example = examples("welcome")[0];
  welcome.version = version();
  welcome.features = 1;
  welcome.session = hello.session;
  welcome.key = hello.key;
  welcome.epoch = 3;
  welcome.received = example.number("received");
  welcome.window = 2u << 20;
  welcome.lane_window = 512u << 10;
  welcome.lanes = static_cast<uint16_t>(example.number("lanes"));
  welcome.grace_ms = static_cast<uint32_t>(example.number("grace_ms"));
  welcome.note = lines("note");
  expect_bytes(welcome, example);
  EXPECT_TRUE(decode_welcome(example.bytes).ok());

  auto refusal = decode_refusal(examples("refusal")[0].bytes);
  ASSERT_TRUE(refusal.ok());
  EXPECT_EQ(static_cast<uint64_t>(refusal->code), examples("refusal")[0].number("code"));
  EXPECT_EQ(refusal->text, examples("refusal")[0].last("text"));
  expect_bytes(*refusal, examples("refusal")[0]);
}

TEST(WirePage, Credits) {
  auto credits = decode_credits(examples("credit")[0].bytes);
  ASSERT_TRUE(credits.ok());
  EXPECT_EQ(*credits, (std::vector<Credit>{{0, 524288}, {3, 700000}}));
  expect_bytes(*credits, examples("credit")[0]);
}

TEST(WirePage, LimitsAndOffsets) {
  std::string text = page();
  auto says = [&](const std::string& part) { return text.find(part) != std::string::npos; };
  EXPECT_TRUE(says("| data | " + std::to_string(kMaxData) + " |"));
  EXPECT_TRUE(says("| chunk | " + std::to_string(kMaxPayload) + " |"));
  EXPECT_TRUE(says("| hello | " + std::to_string(kMaxGreeting) + " |"));
  EXPECT_TRUE(says("| goodbye | " + std::to_string(kMaxNote) + " |"));
  auto at = [](size_t first, size_t second) {
    return "| " + std::to_string(first) + ", " + std::to_string(second) + " |";
  };
  size_t ring = sizeof(ShmRing), side = sizeof(ShmSide), sides = offsetof(ShmPage, sides);
  EXPECT_TRUE(says("| head of ring 0, 1 " + at(offsetof(ShmRing, head), ring)));
  EXPECT_TRUE(
      says("| tail of ring 0, 1 " + at(offsetof(ShmRing, tail), ring + offsetof(ShmRing, tail))));
  EXPECT_TRUE(says("| bell of the client, host " + at(sides, sides + side)));
  for (auto [name, offset] :
       std::map<std::string, size_t>{{"sleepers", offsetof(ShmSide, sleepers)},
                                     {"pollers", offsetof(ShmSide, pollers)},
                                     {"closed", offsetof(ShmSide, closed)}})
    EXPECT_TRUE(says("| " + name + " " + at(sides + offset, sides + side + offset))) << name;
}

TEST(Greeting, EveryTruncationIsRefused) {
  for (const char* kind : {"hello", "welcome", "refusal", "credit"}) {
    auto bytes = examples(kind)[0].bytes;
    for (size_t size = 0; size < bytes.size(); ++size) {
      Bytes part = Bytes(bytes).first(size);
      bool ok = std::string(kind) == "hello"     ? decode_hello(part).ok()
                : std::string(kind) == "welcome" ? decode_welcome(part).ok()
                : std::string(kind) == "refusal" ? decode_refusal(part).ok()
                                                 : decode_credits(part).ok();
      EXPECT_FALSE(ok) << kind << " " << size;
    }
  }
}

TEST(Frame, HeadersThatMakeNoSenseAreRefused) {
  auto bytes = examples("frame")[0].bytes;
  auto bad = [&](size_t at, int value) {
    auto changed = bytes;
    changed[at] = static_cast<std::byte>(value);
    return !decode_header(std::span<const std::byte, kHeaderBytes>(changed.data(), kHeaderBytes))
                .ok();
  };
  EXPECT_TRUE(bad(0, 0));  // magic
  EXPECT_TRUE(bad(4, 0));  // type
  EXPECT_TRUE(bad(4, 15));
  EXPECT_TRUE(bad(4, 5));   // an ack with a body
  EXPECT_TRUE(bad(5, 2));   // flags
  EXPECT_TRUE(bad(11, 1));  // length
  EXPECT_TRUE(bad(16, 0));  // data without a number
  EXPECT_FALSE(bad(6, 9));  // any lane
}

}  // namespace
}  // namespace flexai::wire
