#include "kube/object_meta.h"

#include <gtest/gtest.h>

namespace flexai::kube {
namespace {

// A text with room behind it, as the splitters give.
class Padded {
 public:
  explicit Padded(std::string text) : text_(std::move(text)) {
    text_.reserve(text_.size() + kPadding);
  }
  operator ObjectText() const { return {text_}; }

 private:
  std::string text_;
};

TEST(ObjectReader, AnEventIsItsTypeAndItsObject) {
  ObjectReader reader;
  Padded line(R"({"type":"MODIFIED","object":{"metadata":{"name":"a","namespace":"n",
      "labels":{"name":"wrong"},"uid":"u","resourceVersion":"9"},"spec":{"x":[1,{"y":"}"}]}}})");
  auto event = reader.event(line);
  ASSERT_TRUE(event.ok()) << event.error().message;
  EXPECT_EQ(event->type, EventType::kModified);
  auto meta = reader.meta(event->object);
  ASSERT_TRUE(meta.ok()) << meta.error().message;
  EXPECT_EQ(meta->name, "a");
  EXPECT_EQ(meta->ns, "n");
  EXPECT_EQ(meta->uid, "u");
  EXPECT_EQ(meta->resource_version, "9");
  EXPECT_FALSE(meta->deleting);
}

TEST(ObjectReader, FieldsMayComeInAnyOrderAndEscaped) {
  ObjectReader reader;
  Padded line(R"({"object":{"spec":{},"metadata":{"deletionTimestamp":"t","n\u0061me":"a\u00e9"}},)"
              R"("type":"DELETED","more":1})");
  auto event = reader.event(line);
  ASSERT_TRUE(event.ok()) << event.error().message;
  EXPECT_EQ(event->type, EventType::kDeleted);
  auto meta = reader.meta(event->object);
  ASSERT_TRUE(meta.ok());
  EXPECT_EQ(meta->name, "aé");
  EXPECT_TRUE(meta->deleting);
}

TEST(ObjectReader, WhatIsNoEventIsRefused) {
  ObjectReader reader;
  for (const char* bad : {"", "null", "[]", "{}", R"({"type":"ADDED"})", R"({"object":{}})",
                          R"({"type":"X","object":{}})", R"({"type":7,"object":{}})",
                          R"({"type":"ADDED","object":[]})", R"({"type":"ADDED","object":{"a":)",
                          R"({"type":"ADDED","object":{}}x)", "\xff\xfe"}) {
    auto event = reader.event(Padded(bad));
    if (event.ok()) {
      EXPECT_STREQ(bad, R"({"type":"ADDED","object":{}}x)");  // what is behind it is not looked at
    }
  }
  for (const char* bad : {"{}", R"({"metadata":{"name":"a","deletionTimestamp":nudl}})",
                          R"({"metadata":7})", R"({"metadata":{"name":7}})", "{"})
    EXPECT_FALSE(reader.meta(Padded(bad)).ok()) << bad;
}

TEST(ListEnvelope, HasAVersionAndMayGoOn) {
  auto page = read_envelope(R"({"metadata":{"resourceVersion":"5","continue":"tok"},"items":[]})");
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->resource_version, "5");
  EXPECT_EQ(page->continue_token, "tok");
  EXPECT_TRUE(read_envelope(R"({"metadata":{"resourceVersion":"5"},"items":null})").ok());
  for (const char* bad : {"", "[]", R"({"items":[]})", R"({"metadata":{},"items":[]})",
                          R"({"metadata":{"resourceVersion":"5"}})"})
    EXPECT_FALSE(read_envelope(bad).ok()) << bad;
}

}  // namespace
}  // namespace flexai::kube
