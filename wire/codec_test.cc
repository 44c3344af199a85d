#include "wire/codec.h"

#include <gtest/gtest.h>

namespace flexai::wire {
namespace {

TEST(Codec, ReadsBackWhatWasWritten) {
  Writer writer;
  writer.u8(0xab);
  writer.u16(0x1234);
  writer.u32(0xdeadbeef);
  writer.u64(0x0123456789abcdef);
  writer.i32(-5);
  writer.i64(-6);
  writer.handle(77);
  writer.blob(bytes_of("blob"));
  writer.text("text");
  writer.raw(bytes_of("tail"));
  ASSERT_TRUE(writer.ok());

  Reader reader(writer.bytes());
  EXPECT_EQ(reader.u8("a"), 0xab);
  EXPECT_EQ(reader.u16("b"), 0x1234);
  EXPECT_EQ(reader.u32("c"), 0xdeadbeefu);
  EXPECT_EQ(reader.u64("d"), 0x0123456789abcdefu);
  EXPECT_EQ(reader.i32("e"), -5);
  EXPECT_EQ(reader.i64("f"), -6);
  EXPECT_EQ(reader.handle("g"), 77u);
  EXPECT_EQ(text_of(reader.blob("h", 4)), "blob");
  EXPECT_EQ(reader.text("i", 100), "text");
  EXPECT_EQ(text_of(reader.raw("j", 4)), "tail");
  EXPECT_TRUE(reader.finish().ok());
}

TEST(Codec, NumbersAreLittleEndian) {
  Writer writer;
  writer.u32(0x01020304);
  EXPECT_EQ(text_of(writer.bytes()), std::string_view("\x04\x03\x02\x01", 4));
}

TEST(Codec, EveryTruncationNamesTheFieldItHits) {
  Writer writer;
  writer.u16(7);
  writer.text("name");
  writer.u64(9);
  for (size_t size = 0; size < writer.bytes().size(); ++size) {
    Reader reader(writer.bytes().first(size));
    reader.u16("count");
    reader.text("title", 10);
    EXPECT_EQ(reader.u64("handle"), 0u);
    auto status = reader.finish();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, base::Code::kCorrupt);
    const char* field = size < 2 ? "count" : size < 10 ? "title" : "handle";
    EXPECT_NE(status.error().message.find(field), std::string::npos) << status.error().message;
  }
}

TEST(Codec, TheFirstFailureStaysAndLaterReadsAreEmpty) {
  Reader reader(bytes_of("abc"));
  EXPECT_EQ(reader.u64("first"), 0u);
  EXPECT_EQ(reader.u8("second"), 0u);
  EXPECT_TRUE(reader.raw("third", 1).empty());
  EXPECT_NE(reader.status().error().message.find("first"), std::string::npos);
}

TEST(Codec, ABlobLongerThanAllowedIsRefusedEvenWhenItIsThere) {
  Writer writer;
  writer.text("longer");
  Reader reader(writer.bytes());
  EXPECT_TRUE(reader.text("name", 5).empty());
  EXPECT_NE(reader.status().error().message.find("longer than allowed"), std::string::npos);
}

TEST(Codec, ALengthOfFourGigabytesReadsNothing) {
  Reader reader(bytes_of("\xff\xff\xff\xffxyz"));
  EXPECT_TRUE(reader.blob("body", SIZE_MAX).empty());
  EXPECT_FALSE(reader.ok());
}

TEST(Codec, BytesLeftOverAreAFailure) {
  Reader reader(bytes_of("ab"));
  reader.u8("only");
  EXPECT_TRUE(reader.status().ok());
  EXPECT_FALSE(reader.finish().ok());
}

TEST(Codec, AWriterIsUsedAgainAfterClear) {
  Writer writer;
  for (int round = 0; round < 3; ++round) {
    writer.clear();
    for (int i = 0; i < 1000; ++i) writer.u64(static_cast<uint64_t>(i));
    EXPECT_EQ(writer.bytes().size(), 8000u);
  }
}

TEST(Codec, ACountedListIsReadWholeOrNotAtAll) {
  auto read = [](Bytes bytes) {
    return read_list<uint32_t>(bytes, 3, "list", [](Reader& reader) { return reader.u32("item"); });
  };
  auto write = [](const std::vector<uint32_t>& items, Writer& writer) {
    write_list(items, writer, [](uint32_t item, Writer& to) { to.u32(item); });
  };
  Writer three, four, none, promises;
  write({7, 8, 9}, three);
  EXPECT_EQ(*read(three.bytes()), (std::vector<uint32_t>{7, 8, 9}));
  for (size_t size = 0; size < three.bytes().size(); ++size)
    EXPECT_FALSE(read(three.bytes().first(size)).ok()) << size;
  write({1, 2, 3, 4}, four);
  EXPECT_EQ(read(four.bytes()).error().message, "list: field count is not from 1 to 3");
  write({}, none);
  EXPECT_EQ(read(none.bytes()).error().message, "list: field count is not from 1 to 3");
  promises.u16(2);
  promises.u32(1);
  EXPECT_EQ(read(promises.bytes()).error().message,
            "list: field item runs past the end of the record");
  three.u8(0);
  EXPECT_EQ(read(three.bytes()).error().message, "list: 1 bytes follow the last field");
}

}  // namespace
}  // namespace flexai::wire
