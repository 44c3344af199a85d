#include "remote/link_letters.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace flexai::remote {
namespace {

TEST(LinkLetters, RequestComesAsItWent) {
  LinkRequest request{"a1b2", "tls:gpu2:7700/c3d4", {}};
  request.key[31] = std::byte{7};
  wire::Writer writer;
  ASSERT_TRUE(encode(request, writer).ok());
  auto got = decode_link_request(writer.bytes());
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->session, request.session);
  EXPECT_EQ(got->endpoint, request.endpoint);
  EXPECT_EQ(got->key, request.key);
  for (size_t size = 0; size < writer.bytes().size(); ++size)
    EXPECT_FALSE(decode_link_request(writer.bytes().first(size)).ok()) << size;
}

TEST(LinkLetters, OrderComesAsItWent) {
  LinkOrder order{"c3d4", {}};
  order.key[0] = std::byte{9};
  wire::Writer writer;
  ASSERT_TRUE(encode(order, writer).ok());
  auto got = decode_link_order(writer.bytes());
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->name, order.name);
  EXPECT_EQ(got->key, order.key);
  EXPECT_FALSE(decode_link_request(writer.bytes()).ok());
}

TEST(LinkLetters, HeadOfAMoveIsBounded) {
  MoveHead head{{}, 4096};
  head.ticket[5] = std::byte{1};
  auto bytes = encode(head);
  auto got = decode_move_head(bytes);
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->size, 4096u);
  EXPECT_EQ(got->ticket, head.ticket);
  EXPECT_FALSE(decode_move_head(encode(MoveHead{{}, 0})).ok());
  EXPECT_FALSE(decode_move_head(encode(MoveHead{{}, kMostMove + 1})).ok());
  bytes[0] ^= std::byte{1};
  EXPECT_FALSE(decode_move_head(bytes).ok());
}

std::string bytes_in(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

// The examples of the page.
TEST(LinkLetters, ThePageIsRight) {
  std::ifstream page(FLEXAI_REMOTE_PAGE);
  int examples = 0;
  for (std::string line; std::getline(page, line);) {
    std::istringstream words(line);
    std::string what, hex, name, value, other;
    words >> what >> hex >> name >> value >> other >> other;
    const std::string bytes = bytes_in(what.find('-') == std::string::npos ? "" : hex);
    if (what == "link-request") {
      auto got = decode_link_request(wire::bytes_of(bytes));
      ASSERT_TRUE(got.ok()) << got.error().message;
      EXPECT_EQ(got->session, value);
      EXPECT_EQ(got->endpoint, other);
    } else if (what == "link-order") {
      auto got = decode_link_order(wire::bytes_of(bytes));
      ASSERT_TRUE(got.ok()) << got.error().message;
      EXPECT_EQ(got->name, value);
    } else if (what == "move-head") {
      auto got = decode_move_head(wire::bytes_of(bytes));
      ASSERT_TRUE(got.ok()) << got.error().message;
      EXPECT_EQ(std::to_string(got->size), value);
      EXPECT_EQ(got->ticket[31], std::byte{31});
    } else {
      continue;
    }
    ++examples;
  }
  EXPECT_EQ(examples, 3);
}

}  // namespace
}  // namespace flexai::remote
