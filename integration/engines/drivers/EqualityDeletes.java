import java.util.Arrays;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import org.apache.iceberg.FileFormat;
import org.apache.iceberg.FileScanTask;
import org.apache.iceberg.PartitionSpec;
import org.apache.iceberg.RowDelta;
import org.apache.iceberg.Schema;
import org.apache.iceberg.StructLike;
import org.apache.iceberg.Table;
import org.apache.iceberg.data.GenericFileWriterFactory;
import org.apache.iceberg.data.GenericRecord;
import org.apache.iceberg.data.IdentityPartitionConverters;
import org.apache.iceberg.deletes.EqualityDeleteWriter;
import org.apache.iceberg.expressions.Expressions;
import org.apache.iceberg.io.CloseableIterable;
import org.apache.iceberg.io.FileWriterFactory;
import org.apache.iceberg.io.OutputFileFactory;
import org.apache.iceberg.types.Conversions;
import org.apache.iceberg.types.Type;
import org.apache.iceberg.types.Types;
import org.apache.iceberg.util.StructLikeWrapper;

/**
 * Commits equality deletes, which Spark's SQL cannot write. spark.py compiles it
 * in Spark's own JVM with Spark's compiler, which knows no lambdas.
 */
public final class EqualityDeletes {
  /** One delete file in each partition that has data, in one commit; answers how many. */
  public static int commit(Table table, String column, List values) throws Exception {
    Types.NestedField field = table.schema().findField(column);
    Schema rows = table.schema().select(new String[] {column});
    FileWriterFactory factory = new GenericFileWriterFactory.Builder(table)
        .deleteFileFormat(FileFormat.PARQUET)
        .equalityFieldIds(new int[] {field.fieldId()})
        .equalityDeleteRowSchema(rows)
        .build();
    OutputFileFactory files = OutputFileFactory.builderFor(table, 1, 1L).format(FileFormat.PARQUET).build();
    RowDelta delta = table.newRowDelta();
    Set done = new HashSet();
    CloseableIterable tasks = table.newScan().planFiles();
    for (Iterator i = tasks.iterator(); i.hasNext();) {
      FileScanTask task = (FileScanTask) i.next();
      PartitionSpec spec = task.spec();
      StructLike partition = spec.isUnpartitioned() ? null : task.file().partition();
      StructLikeWrapper key = StructLikeWrapper.forType(spec.partitionType());
      if (!done.add(Arrays.asList(new Object[] {Integer.valueOf(spec.specId()), key.set(task.file().partition())}))) {
        continue;
      }
      EqualityDeleteWriter writer = factory.newEqualityDeleteWriter(
          partition == null ? files.newOutputFile() : files.newOutputFile(spec, partition), spec, partition);
      for (Iterator v = values.iterator(); v.hasNext();) {
        GenericRecord row = GenericRecord.create(rows);
        row.set(0, value(field.type(), (String) v.next()));
        writer.write(row);
      }
      writer.close();
      delta.addDeletes(writer.toDeleteFile());
    }
    tasks.close();
    delta.commit();
    return done.size();
  }

  private static Object value(Type type, String text) {
    if (text == null) {
      return null;
    }
    boolean timed = type.typeId() == Type.TypeID.TIMESTAMP || type.typeId() == Type.TypeID.TIME;
    Object internal = timed
        ? Expressions.lit(text).to(type).value()
        : Conversions.fromPartitionString(type, text);
    return IdentityPartitionConverters.convertConstant(type, internal);
  }
}
