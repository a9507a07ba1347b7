import java.lang.reflect.Constructor;
import java.lang.reflect.Method;

/**
 * Starts Trino's server from plain jars: the published jars have no main class.
 * Usage: FirnTrino VERSION. Only the platform is needed to compile it, because
 * the server is reached by reflection.
 */
public final class FirnTrino
{
    private FirnTrino() {}

    public static void main(String[] args)
            throws Exception
    {
        Class<?> type = Class.forName("io.trino.server.Server");
        Constructor<?> constructor = type.getDeclaredConstructor();
        constructor.setAccessible(true);
        Method start = type.getDeclaredMethod("start", String.class);
        start.setAccessible(true);
        start.invoke(constructor.newInstance(), args[0]);
    }
}
